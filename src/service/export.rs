//! What `export!` expands to where the door is that of WASI 0.3.

/// Not for direct use: see [`export!`](crate::export). What is in brackets follows
/// the call of the handler.
#[doc(hidden)]
#[macro_export]
macro_rules! __export_service {
    (
        [$($wait:tt)*] $handler:path
        $(, initialise = $initialise:expr)?
        $(, budget = $budget:expr)?
        $(,)?
    ) => {
        // Names that nobody else has, as in `export!`.
        const _: () = {
            #[allow(dead_code)]
            async fn __lavandula_answer<'a>(
                cx: &'a $crate::Context,
                request: $crate::Request<'a, $crate::Incoming>,
            ) -> $crate::Streamed<'a> {
                match $crate::Incoming::receive(cx, request).await {
                    Ok(request) => {
                        $crate::IntoStreamed::into_streamed($handler(cx, request) $($wait)*)
                    }
                    Err(error) => $crate::IntoStreamed::into_streamed(error),
                }
            }

            #[allow(dead_code)]
            fn __lavandula_initialise() {
                $(
                    let initialise: fn() = $initialise;
                    initialise();
                )?
            }

            #[allow(dead_code, unused_variables)]
            const __LAVANDULA_BUDGET: Option<usize> = {
                let budget: Option<usize> = None;
                $(let budget: Option<usize> = Some($budget);)?
                budget
            };

            #[cfg(target_arch = "wasm32")]
            $crate::__service_door!(
                __lavandula_answer,
                __lavandula_initialise,
                __LAVANDULA_BUDGET
            );
        };
    };
}

/// The exports of a component whose invocations may overlap. Not for direct use.
#[cfg(all(target_arch = "wasm32", not(feature = "js")))]
#[doc(hidden)]
#[macro_export]
macro_rules! __service_door {
    ($answer:ident, $initialise:ident, $budget:ident) => {
        struct __Lavandula;

        impl $crate::__private::Service for __Lavandula {
            const BUDGET: Option<usize> = $budget;

            fn initialise() {
                $initialise();
            }

            async fn handle<'a>(
                cx: &'a $crate::Context,
                request: $crate::Request<'a, $crate::Incoming>,
            ) -> $crate::Streamed<'a> {
                $answer(cx, request).await
            }
        }

        use $crate::__private::Overlapping as __Overlapping;

        $crate::__private::service::export!(
            __Lavandula with_types_in $crate::__private::service
        );
        $crate::__private::invocations::export!(
            __Overlapping with_types_in $crate::__private::invocations
        );

        #[unsafe(export_name = "lavandula:arena/invocation@0.1.0#seal")]
        extern "C" fn __lavandula_seal() -> *const u8 {
            $crate::__private::seal_service::<__Lavandula>()
        }

        $crate::__kept_by_hand!();
    };
}

/// JavaScript calls one function and takes its result: it has no door for a handler
/// that waits. Not for direct use.
#[cfg(all(target_arch = "wasm32", feature = "js"))]
#[doc(hidden)]
#[macro_export]
macro_rules! __service_door {
    ($answer:ident, $initialise:ident, $budget:ident) => {
        compile_error!(
            "a handler that waits is for hosts of WASI 0.3: build it with `lavandula build`"
        );
    };
}
