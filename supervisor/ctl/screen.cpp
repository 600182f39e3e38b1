#include "screen.hpp"

#include "failure.hpp"
#include "printable.hpp"

#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include <langinfo.h>
#include <sys/ioctl.h>
#include <unistd.h>

// Macros with names such as clear and move otherwise.
#define NCURSES_NOMACROS 1  // NOLINT(readability-identifier-naming): ncurses' name
#include <curses.h>

namespace shmipc::ctl {
namespace {

constexpr int kEscape = 27;
constexpr int kEscapeDelayMs = 25;  ///< after which ESC is a key, and not the start of another

void start_colours(bool colour) {
    if (!colour || ::start_color() == ERR) {
        return;
    }
    ::use_default_colors();
    constexpr short kDefault = -1;
    ::init_pair(static_cast<short>(Style::kGood), COLOR_GREEN, kDefault);
    ::init_pair(static_cast<short>(Style::kWaiting), COLOR_YELLOW, kDefault);
    ::init_pair(static_cast<short>(Style::kBad), COLOR_RED, kDefault);
}

attr_t attribute_of(Style style, bool colour) noexcept {
    switch (style) {
        case Style::kGood:
        case Style::kWaiting:
        case Style::kBad:
            return colour ? static_cast<attr_t>(COLOR_PAIR(static_cast<int>(style))) : A_NORMAL;
        case Style::kDim:
            return A_DIM;
        case Style::kHeading:
            return A_BOLD;
        case Style::kReverse:
            return A_REVERSE;
        case Style::kPlain:
            break;
    }
    return A_NORMAL;
}

/// `text` with '?' for each character that a terminal without UTF-8 cannot show.
std::string ascii(std::string_view text) {
    std::string result;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x80U) {
            result += c;
        } else if (byte >= 0xC0U) {  // the first byte of a character
            result += '?';
        }
    }
    return result;
}

bool locale_is_utf8() {
    std::setlocale(LC_CTYPE, "");
    return std::string_view(::nl_langinfo(CODESET)) == "UTF-8";
}

SCREEN* open_terminal() {
    ::use_env(TRUE);
    ::use_tioctl(TRUE);  // the terminal's own size, not $LINES
    SCREEN* const terminal = ::newterm(nullptr, stdout, stdin);
    if (terminal == nullptr) {
        const char* const term = std::getenv("TERM");
        throw Failure(ExitCode::kFailed, "terminal type '" +
                                             printable(term == nullptr ? "" : term) +
                                             "' is not known: set TERM, or use: shmipcctl status");
    }
    if (::tigetstr("cup") == nullptr) {
        ::endwin();
        ::delscreen(terminal);
        throw Failure(ExitCode::kFailed,
                      "terminal type '" + printable(std::getenv("TERM")) +
                          "' cannot move its cursor: set TERM, or use: shmipcctl watch");
    }
    return terminal;
}

}  // namespace

Screen::Screen(bool colour) : utf8_(locale_is_utf8()), terminal_(open_terminal()) {
    ::set_escdelay(kEscapeDelayMs);
    start_colours(colour);
    ::cbreak();
    ::noecho();
    ::curs_set(0);
    ::keypad(stdscr, TRUE);
    ::nodelay(stdscr, TRUE);
}

Screen::~Screen() {
    ::endwin();
    ::delscreen(static_cast<SCREEN*>(terminal_));
}

Size Screen::size() const noexcept {
    const int rows = ::getmaxy(stdscr);
    const int columns = ::getmaxx(stdscr);
    return {rows > 0 ? static_cast<std::size_t>(rows) : 0,
            columns > 0 ? static_cast<std::size_t>(columns) : 0};
}

void Screen::resized() {
    winsize window{};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_row > 0 &&
        window.ws_col > 0) {
        ::resizeterm(window.ws_row, window.ws_col);
    }
    ::clearok(stdscr, TRUE);
}

void Screen::draw(const std::vector<Line>& lines) const {
    ::werase(stdscr);
    for (std::size_t i = 0; i < lines.size(); ++i) {
        ::wmove(stdscr, static_cast<int>(i), 0);
        for (const Span& span : lines[i]) {
            const attr_t attribute = attribute_of(span.style, ::has_colors() == TRUE);
            ::wattr_on(stdscr, attribute, nullptr);
            const std::string text = utf8_ ? span.text : ascii(span.text);
            // Writing into the last cell of the screen is an error to ncurses, but is done.
            ::waddnstr(stdscr, text.data(), static_cast<int>(text.size()));
            ::wattr_off(stdscr, attribute, nullptr);
        }
    }
    ::wrefresh(stdscr);
}

std::optional<Key> Screen::key() {
    const int code = ::wgetch(stdscr);
    switch (code) {
        case ERR:
            return std::nullopt;
        case KEY_UP:
            return Key::kUp;
        case KEY_DOWN:
            return Key::kDown;
        case KEY_PPAGE:
            return Key::kPageUp;
        case KEY_NPAGE:
            return Key::kPageDown;
        case KEY_HOME:
            return Key::kHome;
        case KEY_END:
            return Key::kEnd;
        case 'q':
        case 'Q':
        case kEscape:
            return Key::kQuit;
        default:
            return Key::kOther;
    }
}

}  // namespace shmipc::ctl
