// Standard input, output and error, which a program may have been started without.
//
// Where one of them is closed, the next file that is opened gets its number, and whatever the
// program prints goes into that file.
#pragma once

namespace shmipc::os {

/// What a call has opened, moved above the standard three if it is one of them, close-on-exec. The
/// library keeps no other: it cannot know what the program did. −1, with errno, if `fd` is that, or
/// no other number is to be had; it is closed then.
int above_standard(int fd) noexcept;

/// Puts /dev/null where standard input, output or error is closed, for this process and those that
/// it executes. To be called first of all by a program. False, with errno, if it cannot: then
/// nothing may be opened.
bool open_standard_descriptors() noexcept;

}  // namespace shmipc::os
