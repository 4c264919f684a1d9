//! A hint to the processor, as a safe function: a prefetch reads nothing the program can see and cannot fault.

/// Bytes of a cache line.
const LINE: usize = 64;

/// Asks for the cache line that holds the first byte of `value`.
#[inline]
pub fn prefetch_read<T: ?Sized>(value: &T) {
    prefetch_line(std::ptr::from_ref(value).cast());
}

/// Asks for all cache lines that hold `values`.
#[inline]
pub(crate) fn prefetch_all<T>(values: &[T]) {
    let bytes = size_of_val(values);
    let start = std::ptr::from_ref(values).cast::<u8>();
    // A slice ends within the address space, so that nothing here can wrap.
    let mut at = 0usize;
    while at < bytes {
        prefetch_line(start.wrapping_add(at));
        at = at.wrapping_add(LINE);
    }
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
