// What keeps the compiler from leaving out or moving the work that is measured.
#pragma once

#include <type_traits>

namespace shmipc::bench {

/// The value is computed, also where nothing uses it.
template <class T>
inline void keep(const T& value) noexcept {
    static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= sizeof(void*),
                  "fits a register: else keep() would measure a store to the stack");
    asm volatile("" : : "r"(value) : "memory");
}

/// Memory may have changed: no load is merged with one before it, no store left for later.
inline void compiler_barrier() noexcept {
    asm volatile("" : : : "memory");
}

}  // namespace shmipc::bench
