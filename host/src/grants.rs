//! What guests may reach beyond their request: variables, folders, hosts and
//! addresses. Nothing where nothing is said.
//!
//! Grants are opened once, when the component is loaded. A request then takes a
//! share of what is open, so that one to which nothing was granted pays nothing for
//! it, and so that a folder stays the one that it was.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;
use wasmtime_wasi::filesystem::WasiFilesystemCtx;
use wasmtime_wasi::sockets::{SocketAddrUse, WasiSocketsCtx};
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxBuilder};

use crate::outbound::AllowedHost;
use crate::program::LoadError;

/// What guests may reach beyond their request.
///
/// ```no_run
/// use lavandula_host::{Grants, Host};
///
/// # fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let host = Host::builder()
///     .grants(Grants {
///         env: vec![("MODE".to_owned(), "test".to_owned())],
///         dirs: vec!["data::/data:ro".parse()?],
///         outbound: vec!["api.example.com".parse()?],
///         connect: vec!["127.0.0.1:6379".parse()?],
///     })
///     .load("handler.wasm")?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grants {
    /// Names and values of environment variables. Guests never see the host's.
    pub env: Vec<(String, String)>,
    /// Folders.
    pub dirs: Vec<GrantedDir>,
    /// Hosts that requests may be sent to.
    pub outbound: Vec<AllowedHost>,
    /// Addresses that sockets may connect and send to, by TCP and UDP.
    pub connect: Vec<AllowedAddress>,
}

/// A folder that guests may use: `HOST[::GUEST][:ro|:rw]`. What lies outside of it
/// is out of reach, by `..` as well as by links that lead there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantedDir {
    /// Where it is.
    pub host: PathBuf,
    /// What guests know it by. The same where nothing else is said.
    pub guest: String,
    /// What they may do there.
    pub access: Access,
}

/// What guests may do in a folder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// Read files and list folders: `ro`.
    #[default]
    Read,
    /// Change, create and remove them as well: `rw`.
    ReadWrite,
}

/// A text that names no folder.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{0}` is no folder for a guest: write it as HOST, HOST::GUEST or HOST::GUEST:rw")]
pub struct GrantedDirError(String);

impl FromStr for GrantedDir {
    type Err = GrantedDirError;

    fn from_str(text: &str) -> Result<Self, GrantedDirError> {
        let (folders, access) = if let Some(folders) = text.strip_suffix(":ro") {
            (folders, Access::Read)
        } else if let Some(folders) = text.strip_suffix(":rw") {
            (folders, Access::ReadWrite)
        } else {
            (text, Access::default())
        };
        let (host, guest) = folders.split_once("::").unwrap_or((folders, folders));
        if host.is_empty() || guest.is_empty() || guest.contains("::") {
            return Err(GrantedDirError(text.to_owned()));
        }
        Ok(Self {
            host: host.into(),
            guest: guest.to_owned(),
            access,
        })
    }
}

/// An address that guests may connect and send to: `IP[:PORT]`. Every port where
/// none is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllowedAddress {
    address: IpAddr,
    port: Option<u16>,
}

/// A text that is no address to connect to.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "`{0}` is no address to connect to: write it as 127.0.0.1, 127.0.0.1:6379 or [::1]:6379; \
     names are not looked up"
)]
pub struct AllowedAddressError(String);

impl FromStr for AllowedAddress {
    type Err = AllowedAddressError;

    fn from_str(text: &str) -> Result<Self, AllowedAddressError> {
        let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
        let parsed = if let Ok(address) = bare.unwrap_or(text).parse() {
            Some((address, None))
        } else {
            let address = text.parse::<SocketAddr>().ok();
            address.map(|address| (address.ip(), Some(address.port())))
        };
        match parsed {
            // Not one that stands for others: it would allow more, or less, than it
            // says.
            Some((address, port)) if !address.is_unspecified() && port != Some(0) => Ok(Self {
                address: address.to_canonical(),
                port,
            }),
            _ => Err(AllowedAddressError(text.to_owned())),
        }
    }
}

impl fmt::Display for AllowedAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.address, self.port) {
            (address, Some(port)) => SocketAddr::new(address, port).fmt(f),
            (address, None) => address.fmt(f),
        }
    }
}

impl AllowedAddress {
    fn matches(&self, address: SocketAddr) -> bool {
        self.address == address.ip().to_canonical()
            && self.port.is_none_or(|port| port == address.port())
    }
}

/// Whether a socket may do that. Nobody listens, and a socket has an address of its
/// own only as far as it takes one to send.
fn permits(connect: &[AllowedAddress], address: SocketAddr, use_: SocketAddrUse) -> bool {
    match use_ {
        SocketAddrUse::TcpConnect | SocketAddrUse::UdpSend | SocketAddrUse::UdpReceive => {
            let allowed = connect.iter().any(|allowed| allowed.matches(address));
            if !allowed && !matches!(use_, SocketAddrUse::UdpReceive) {
                tracing::warn!(
                    %address,
                    "refused a connection of the guest; `--allow-connect {address}` would allow it"
                );
            }
            allowed
        }
        SocketAddrUse::TcpBind | SocketAddrUse::UdpBind => {
            address.ip().is_unspecified() && address.port() == 0
        }
        SocketAddrUse::TcpListen | SocketAddrUse::TcpAccept => false,
    }
}

/// What was granted, open.
#[derive(Clone, Default)]
pub(crate) struct Granted(Option<Arc<Open>>);

struct Open {
    env: Vec<(String, String)>,
    filesystem: WasiFilesystemCtx,
    sockets: WasiSocketsCtx,
    outbound: Arc<[AllowedHost]>,
}

impl Grants {
    /// Opens what is granted.
    pub(crate) fn open(self) -> Result<Granted, LoadError> {
        if self == Self::default() {
            return Ok(Granted::default());
        }
        let mut wasi = WasiCtx::builder();
        for GrantedDir {
            host,
            guest,
            access,
        } in self.dirs
        {
            let permissions = match access {
                Access::Read => FsPerms::ReadOnly,
                Access::ReadWrite => FsPerms::ReadWrite,
            };
            let opened = wasi.preopened_dir(&host, guest, permissions);
            opened.map_err(|source| LoadError::Dir { path: host, source })?;
        }
        if !self.connect.is_empty() {
            let connect: Arc<[_]> = self.connect.into();
            wasi.allow_tcp(true)
                .allow_udp(true)
                .socket_addr_check(move |address, use_| {
                    let permitted = permits(&connect, address, use_);
                    Box::pin(std::future::ready(permitted))
                });
        }
        let mut wasi = wasi.build();
        Ok(Granted(Some(Arc::new(Open {
            env: self.env,
            filesystem: wasi.filesystem().clone(),
            sockets: wasi.sockets().clone(),
            outbound: self.outbound.into(),
        }))))
    }
}

impl Granted {
    /// Finishes a context, with what is granted in it.
    pub(crate) fn build(&self, mut wasi: WasiCtxBuilder) -> WasiCtx {
        let Some(open) = &self.0 else {
            return wasi.build();
        };
        wasi.envs(&open.env);
        let mut wasi = wasi.build();
        *wasi.filesystem() = open.filesystem.clone();
        *wasi.sockets() = open.sockets.clone();
        wasi
    }

    /// The hosts that requests may be sent to.
    pub(crate) fn outbound(&self) -> Arc<[AllowedHost]> {
        match &self.0 {
            Some(open) => Arc::clone(&open.outbound),
            None => Arc::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_read_only_and_keeps_its_name_unless_told_otherwise() {
        let dir = |host: &str, guest: &str, access| GrantedDir {
            host: host.into(),
            guest: guest.to_owned(),
            access,
        };
        for (text, expected) in [
            ("data", dir("data", "data", Access::Read)),
            ("data:ro", dir("data", "data", Access::Read)),
            ("data:rw", dir("data", "data", Access::ReadWrite)),
            ("/a b::/data", dir("/a b", "/data", Access::Read)),
            (".::/data:rw", dir(".", "/data", Access::ReadWrite)),
            // A name may have a colon in it.
            ("a:b::c:rx", dir("a:b", "c:rx", Access::Read)),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
        for text in ["", ":rw", "::", "a::", "::b", "a::b::c", "a:::ro"] {
            let error = text.parse::<GrantedDir>().expect_err(text).to_string();
            assert!(error.contains("HOST::GUEST:rw"), "{error}");
        }
    }

    #[test]
    fn a_folder_that_is_not_there_is_named() {
        let grants = Grants {
            dirs: vec!["/no/such/folder".parse().expect("a folder")],
            ..Grants::default()
        };
        let error = grants.open().err().expect("it is not there").to_string();
        assert!(error.contains("`/no/such/folder`"), "{error}");
        assert!(error.contains("create it"), "{error}");
    }

    fn address(text: &str) -> AllowedAddress {
        match text.parse() {
            Ok(address) => address,
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn an_address_is_an_ip_and_perhaps_a_port() {
        for text in ["127.0.0.1", "127.0.0.1:6379", "::1", "[::1]:6379"] {
            assert_eq!(address(text).to_string(), text);
        }
        assert_eq!(address("[::1]"), address("::1"));
        for text in [
            "",
            "localhost",
            "localhost:1",
            "1.2.3.4:0",
            "1.2.3.4:65536",
            "1.2.3",
            "0.0.0.0",
            "[::]:80",
            "10.0.0.0/8",
        ] {
            let error = text.parse::<AllowedAddress>().expect_err(text).to_string();
            assert!(error.contains("names are not looked up"), "{error}");
        }
    }

    #[test]
    fn sockets_connect_to_what_is_allowed_and_never_listen() {
        use SocketAddrUse::{
            TcpAccept, TcpBind, TcpConnect, TcpListen, UdpBind, UdpReceive, UdpSend,
        };
        let allowed = [address("127.0.0.1:80"), address("::1")];
        let may = |to: &str, use_| permits(&allowed, to.parse().expect("an address"), use_);
        for use_ in [TcpConnect, UdpSend, UdpReceive] {
            assert!(may("127.0.0.1:80", use_));
            assert!(may("[::ffff:127.0.0.1]:80", use_));
            assert!(may("[::1]:9", use_));
            assert!(!may("127.0.0.1:81", use_));
            assert!(!may("127.0.0.2:80", use_));
            assert!(!may("0.0.0.0:80", use_));
        }
        for use_ in [TcpBind, UdpBind] {
            // What the system does for a socket that sends.
            assert!(may("0.0.0.0:0", use_));
            assert!(may("[::]:0", use_));
            assert!(!may("0.0.0.0:80", use_));
            assert!(!may("127.0.0.1:80", use_));
        }
        for use_ in [TcpListen, TcpAccept] {
            assert!(!may("127.0.0.1:80", use_));
            assert!(!may("0.0.0.0:0", use_));
        }
    }
}
