//! A hint to the processor, as a safe function: a prefetch reads nothing the program can see and cannot fault.

/// Asks for the cache line that holds the first byte of `value`.
#[inline]
pub fn prefetch_read<T: ?Sized>(value: &T) {
    prefetch_line(std::ptr::from_ref(value).cast());
}

/// Asks for the cache line at `address`, which need not be valid.
#[inline]
pub(crate) fn prefetch_line(address: *const u8) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: a prefetch of any address is a hint: it neither faults nor changes what the program can observe.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(address.cast());
    }
    #[cfg(any(not(target_arch = "x86_64"), miri))]
    let _ = address;
}
