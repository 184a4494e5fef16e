//! What a served guest may reach, as options.

use lavandula_host::{AllowedAddress, AllowedHost, GrantedDir, Grants};

/// What guests may reach beyond their request. Nothing where nothing is said.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "What a guest may reach")]
pub struct GrantArguments {
    /// Host that guests may send requests to, such as `api.example.com`,
    /// `api.example.com:8443` or `*.example.com`. Without a port 80 and 443, by the
    /// scheme. Repeatable.
    #[arg(
        long,
        env = "LAVANDULA_ALLOW_OUTBOUND",
        value_name = "HOST[:PORT]",
        value_delimiter = ','
    )]
    allow_outbound: Vec<AllowedHost>,
    /// Address that guests may connect sockets to, by TCP and UDP. Without a port
    /// all of them. Repeatable.
    #[arg(
        long,
        env = "LAVANDULA_ALLOW_CONNECT",
        value_name = "IP[:PORT]",
        value_delimiter = ','
    )]
    allow_connect: Vec<AllowedAddress>,
    /// Environment variable of guests. Without a value the one that this process
    /// has. Repeatable.
    #[arg(long, value_name = "NAME[=VALUE]", value_parser = variable)]
    env: Vec<(String, String)>,
    /// Folder of guests, read-only unless `:rw` says otherwise. Repeatable.
    #[arg(long, value_name = "HOST[::GUEST][:ro|:rw]")]
    dir: Vec<GrantedDir>,
}

impl From<GrantArguments> for Grants {
    fn from(arguments: GrantArguments) -> Self {
        Self {
            env: arguments.env,
            dirs: arguments.dir,
            outbound: arguments.allow_outbound,
            connect: arguments.allow_connect,
        }
    }
}

fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, value.to_owned()),
        None => {
            let value = std::env::var(text).map_err(|error| {
                format!("{error}; set `{text}`, or give its value as `{text}=VALUE`")
            })?;
            (text, value)
        }
    };
    if name.is_empty() || text.contains('\0') {
        return Err("a variable is NAME=VALUE, or NAME alone to copy it".to_owned());
    }
    Ok((name.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_has_a_value_or_the_one_of_this_process() {
        let pair = |name: &str, value: &str| Ok((name.to_owned(), value.to_owned()));
        assert_eq!(variable("A=b=c,d"), pair("A", "b=c,d"));
        assert_eq!(variable("A="), pair("A", ""));
        let path = std::env::var("PATH").expect("every process has it");
        assert_eq!(variable("PATH"), pair("PATH", &path));
        let error = variable("LAVANDULA_NO_SUCH_VARIABLE").expect_err("not set");
        assert!(
            error.contains("LAVANDULA_NO_SUCH_VARIABLE=VALUE"),
            "{error}"
        );
        assert!(variable("=x").is_err());
    }
}
