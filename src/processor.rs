//! Whether this processor has what the program was built for (`.cargo/config.toml`): one that has not would end it without
//! a word.

/// What people are told if it has not.
pub const LACK: &str = "error: this program was built for processors with AVX2 and BMI2, which this one lacks\n\
                        hint: build it with RUSTFLAGS=\"\" in the environment";

/// Whatever is asked about a feature that the program was built for, the standard library says that it is there, so the
/// processor itself is asked.
#[cfg(all(target_arch = "x86_64", target_feature = "avx2"))]
pub fn is_able() -> bool {
    use std::arch::x86_64::{__cpuid, __cpuid_count};
    const FEATURES: u32 = 7;
    const AVX2: u32 = 1 << 5;
    const BMI2: u32 = 1 << 8;
    __cpuid(0).eax >= FEATURES && __cpuid_count(FEATURES, 0).ebx & (AVX2 | BMI2) == AVX2 | BMI2
}

/// It was built for what all of them have.
#[cfg(not(all(target_arch = "x86_64", target_feature = "avx2")))]
pub fn is_able() -> bool {
    true
}
