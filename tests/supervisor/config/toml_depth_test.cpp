#include "config/toml_depth.hpp"

#include <doctest/doctest.h>
#include <toml++/toml.h>

#include <algorithm>
#include <random>
#include <string>

using namespace shmipc::supervisor;

namespace {

bool deeper(const std::string& toml, std::size_t most) {
    return deeper_than(toml, most).has_value();
}

std::string repeated(const std::string& part, std::size_t count) {
    std::string text;
    for (std::size_t i = 0; i < count; ++i) {
        text += part;
    }
    return text;
}

/// Containers within containers; a value by itself has none.
std::size_t true_depth(const toml::node& node) {
    std::size_t deepest = 0;
    if (const toml::table* table = node.as_table()) {
        for (auto&& [name, element] : *table) {
            deepest = std::max(deepest, true_depth(element));
        }
        return deepest + 1;
    }
    if (const toml::array* array = node.as_array()) {
        for (const toml::node& element : *array) {
            deepest = std::max(deepest, true_depth(element));
        }
        return deepest + 1;
    }
    return 0;
}

}  // namespace

TEST_CASE("each form that nests is counted") {
    for (const std::size_t depth : {1U, 3U, 40U}) {
        CAPTURE(depth);
        for (const std::string& toml : {
                 repeated("a.", depth) + "a = 1\n",
                 repeated("\"a\" . ", depth) + "'b' = 1\n",
                 "a = " + repeated("[", depth) + repeated("]", depth) + "\n",
                 "a = " + repeated("[\n# comment\n", depth) + repeated("\n]", depth) + "\n",
                 "a = " + repeated("{a=", depth) + "1" + repeated("}", depth) + "\n",
                 "[" + repeated("a.", depth - 1) + "a]\n",
             }) {
            CAPTURE(toml);
            CHECK(deeper(toml, depth - 1));
            CHECK_FALSE(deeper(toml, depth));
        }
    }
    // Together: 2 brackets, 2 dots, 1 bracket, 1 dot.
    CHECK(deeper("a = [{b.c.d = {e.f = 1}}]", 5));
    CHECK_FALSE(deeper("a = [{b.c.d = {e.f = 1}}]", 6));
}

TEST_CASE("what follows does not count with what has ended") {
    CHECK_FALSE(deeper(repeated("a.b.c = 1.5\n", 1000), 3));
    CHECK_FALSE(deeper(repeated("[a.b]\nc = [1.5, 2.5]\n", 1000), 2));
    CHECK_FALSE(deeper("a = [" + repeated("1.5,\n", 1000) + "]", 2));
    CHECK_FALSE(deeper("a = {" + repeated("b.c = 1.5, ", 1000) + "d = 1}", 3));
    CHECK_FALSE(deeper("a = [" + repeated("[1.5], ", 1000) + "]", 3));
    CHECK_FALSE(deeper(repeated("]", 1000) + repeated("}", 1000), 0));
}

TEST_CASE("strings and comments do not count, however they end") {
    const std::string dots = repeated(".[{", 100);
    for (const std::string& toml : {
             "a = \"" + dots + "\"\n",
             R"(a = "\")" + dots + "\\\\\"\n",
             "a = '" + dots + "\\'\n",
             R"(a = """)" + dots + "\n\"\" \\\"\"\"" + dots + "\"\"\"\"\"\n",
             "a = '''" + dots + "\n'' \\" + dots + "'''''\n",
             "a = \"\" # " + dots + "\n",
             R"(# " ' """ )" + dots + "\nb = ''\n",
             "\"" + dots + "\" = 1\n",
         }) {
        CAPTURE(toml);
        CHECK_FALSE(deeper(toml, 0));
        CHECK(deeper(toml + "a.b.c = 1", 1));  // and are left where they end
    }
}

TEST_CASE("the place is that of the first level too many") {
    const auto place = deeper_than("a = 1\n  b.c.d = 1\n", 1);
    REQUIRE(place);
    CHECK(place->line == 2);
    CHECK(place->column == 6);
}

TEST_CASE("no text that parses is deeper than its bound says") {
    // Characters that matter, so that quotes, brackets and escapes meet in all ways.
    const std::string letters = "aab1..\"\"\"''[]{}==,\n\n#\\ ";
    const auto seed = std::random_device{}();
    CAPTURE(seed);
    std::mt19937 random(seed);
    int parsed = 0;
    for (int round = 0; round < 200'000; ++round) {
        std::string toml;
        for (auto length = 4 + random() % 20; length > 0; --length) {
            toml += letters[random() % letters.size()];
        }
        try {
            const toml::table table = toml::parse(toml);
            ++parsed;
            std::size_t bound = 0;
            while (deeper(toml, bound)) {
                ++bound;
            }
            CAPTURE(toml);
            CHECK(true_depth(table) <= 1 + 2 * bound);
        } catch (const toml::parse_error&) {
            continue;
        }
    }
    CHECK(parsed > 1000);
}
