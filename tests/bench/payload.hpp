// What messages say, so that a torn one shows.
//
// Up to kWhole bytes every 8-byte word carries the sequence. Longer ones carry it in the first, the
// middle and the last word; what lies between is filled with its lowest byte, or left.
#pragma once

#include "fill.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace shmipc::bench {

inline constexpr std::size_t kWord = sizeof(std::uint64_t);
inline constexpr std::size_t kWhole = 1024;

/// The size of a message where the compiler may know it, as it does in programs with a type of
/// their own: kFixed bytes, or any number if that is 0.
template <std::size_t kFixed>
constexpr std::size_t known_size(std::size_t bytes) noexcept {
    return kFixed != 0 ? kFixed : bytes;
}

inline void put_word(std::byte* at, std::uint64_t value) noexcept {
    std::memcpy(at, &value, sizeof value);
}
inline std::uint64_t get_word(const std::byte* at) noexcept {
    std::uint64_t value = 0;
    std::memcpy(&value, at, sizeof value);
    return value;
}

constexpr std::size_t middle_of(std::size_t bytes) noexcept {
    return bytes / 2 / kWord * kWord;
}

inline void write_ends(std::byte* at, std::size_t bytes, std::uint64_t sequence) noexcept {
    put_word(at, sequence);
    put_word(at + middle_of(bytes), sequence);
    put_word(at + bytes - kWord, sequence);
}

template <std::size_t kFixed>
inline void write_whole(std::byte* at, std::size_t any, std::uint64_t sequence) noexcept {
    const std::size_t bytes = known_size<kFixed>(any);
    if (bytes > kWhole) {
        fill({at, bytes}, static_cast<std::byte>(sequence & 0xffU));
        write_ends(at, bytes, sequence);
        return;
    }
    if constexpr (kFixed != 0) {  // as a program's own type is written: by wide stores
        std::array<std::uint64_t, kFixed / kWord> words{};
        words.fill(sequence);
        std::memcpy(at, words.data(), sizeof words);
        return;
    }
    for (std::size_t word = 0; word < bytes; word += kWord) {
        put_word(at + word, sequence);
    }
}

/// Whether all that is looked at says `sequence`.
template <std::size_t kFixed>
inline bool is_whole(const std::byte* at, std::size_t any, std::uint64_t sequence) noexcept {
    const std::size_t bytes = known_size<kFixed>(any);
    std::uint64_t different = 0;
    if (bytes > kWhole) {
        different |= get_word(at) ^ sequence;
        different |= get_word(at + middle_of(bytes)) ^ sequence;
        different |= get_word(at + bytes - kWord) ^ sequence;
        return different == 0;
    }
    for (std::size_t word = 0; word < bytes; word += kWord) {
        different |= get_word(at + word) ^ sequence;
    }
    return different == 0;
}

}  // namespace shmipc::bench
