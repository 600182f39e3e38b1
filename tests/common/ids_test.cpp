#include <shmipc/ids.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace shmipc;

TEST_CASE("every consumer of a channel has a cell of its own, and no cell is left over") {
    for (const std::uint32_t workers : {2U, 3U, 5U, 31U, 64U, 256U}) {
        for (std::uint32_t p = 0; p < workers; ++p) {
            const WorkerIndex producer{p};
            std::vector<bool> taken(workers - 1, false);
            for (std::uint32_t c = 0; c < workers; ++c) {
                if (c == p) {
                    continue;
                }
                const CellIndex cell = cell_of(WorkerIndex{c}, producer);
                REQUIRE(to_number(cell) < workers - 1);
                REQUIRE_FALSE(taken[to_number(cell)]);
                taken[to_number(cell)] = true;
                REQUIRE(consumer_of(cell, producer) == WorkerIndex{c});
            }
        }
    }
}

TEST_CASE("the cells of the largest group are counted without a gap") {
    const WorkerIndex first{0};
    const WorkerIndex last{kMaxWorkers - 1};
    CHECK(cell_of(last, first) == CellIndex{kMaxWorkers - 2});
    CHECK(cell_of(first, last) == CellIndex{0});
    CHECK(consumer_of(CellIndex{kMaxWorkers - 2}, first) == last);
    CHECK(consumer_of(CellIndex{kMaxWorkers - 2}, last) == WorkerIndex{kMaxWorkers - 2});
}

TEST_CASE("a group name has 1 to 64 letters, digits, underscores and hyphens") {
    for (const char* name : {"a", "Z", "0", "_", "-", "shmipc", "demo-1", "A_b-9"}) {
        CHECK_MESSAGE(is_group_name(name), name);
    }
    CHECK(is_group_name(std::string(64, 'x')));
    CHECK_FALSE(is_group_name(std::string(65, 'x')));
    CHECK_FALSE(is_group_name(""));
    for (const char* name : {".", "..", "a.b", "a/b", "/a", "a b", " a", "a\n", "ä", "a:b", "a@",
                             "[a", "`", "{", "a+b"}) {
        CHECK_MESSAGE(!is_group_name(name), name);
    }
    CHECK_FALSE(is_group_name(std::string_view("a\0b", 3)));
}

TEST_CASE("of all 256 characters only the 64 of the rule may stand in a group name") {
    unsigned allowed = 0;
    for (int c = 0; c < 256; ++c) {
        const std::string name(1, static_cast<char>(c));
        allowed += is_group_name(name) ? 1U : 0U;
    }
    CHECK(allowed == 26 + 26 + 10 + 2);
}
