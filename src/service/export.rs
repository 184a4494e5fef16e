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
            struct __Lavandula;

            #[cfg(target_arch = "wasm32")]
            impl $crate::__private::Service for __Lavandula {
                const BUDGET: Option<usize> = __LAVANDULA_BUDGET;

                fn initialise() {
                    __lavandula_initialise();
                }

                async fn handle<'a>(
                    cx: &'a $crate::Context,
                    request: $crate::Request<'a, $crate::Incoming>,
                ) -> $crate::Streamed<'a> {
                    __lavandula_answer(cx, request).await
                }
            }

            #[cfg(target_arch = "wasm32")]
            use $crate::__private::Overlapping as __Overlapping;

            #[cfg(target_arch = "wasm32")]
    $crate::__private::edge_service::export!(__Lavandula with_types_in $crate::__private::edge_service);

            #[cfg(target_arch = "wasm32")]
    $crate::__private::invocations::export!(__Overlapping with_types_in $crate::__private::invocations);

            #[cfg(target_arch = "wasm32")]
            #[unsafe(export_name = "lavandula:arena/invocation@0.1.0#seal")]
            extern "C" fn __lavandula_seal() -> *const u8 {
                $crate::__private::seal_service::<__Lavandula>()
            }

            #[cfg(target_arch = "wasm32")]
            #[unsafe(export_name = "lavandula:arena/invocation@0.1.0#rewind")]
            extern "C" fn __lavandula_rewind() -> *const u8 {
                $crate::__private::rewind()
            }

            #[cfg(target_arch = "wasm32")]
            #[unsafe(export_name = "cabi_realloc")]
            unsafe extern "C" fn __lavandula_cabi_realloc(
                old: *mut u8,
                old_len: usize,
                align: usize,
                new_len: usize,
            ) -> *mut u8 {
                // SAFETY: what the canonical ABI promises.
                unsafe { $crate::__private::cabi_realloc(old, old_len, align, new_len) }
            }

            #[cfg(all(target_arch = "wasm32", target_os = "wasi"))]
            #[unsafe(export_name = "sbrk")]
            extern "C" fn __lavandula_sbrk(increment: isize) -> *mut u8 {
                $crate::__private::sbrk(increment)
            }
        };
    };
}
