#pragma once

namespace muster::test {

/// Whether this was built with the address sanitizer, which holds memory that
/// was given back: what a program takes then says nothing of its users'.
#if defined(__SANITIZE_ADDRESS__)
constexpr bool is_sanitized = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
constexpr bool is_sanitized = true;
#else
constexpr bool is_sanitized = false;
#endif
#else
constexpr bool is_sanitized = false;
#endif

} // namespace muster::test
