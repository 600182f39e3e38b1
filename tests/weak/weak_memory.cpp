#include "weak_memory.hpp"

#include <shmipc/detail/check.hpp>

#include <bit>
#include <cstring>
#include <limits>

namespace shmipc::test::weak {
namespace {

constexpr bool acquires(std::memory_order order) noexcept {
    return order == std::memory_order_acquire || order == std::memory_order_acq_rel ||
           order == std::memory_order_seq_cst;
}
constexpr bool releases(std::memory_order order) noexcept {
    return order == std::memory_order_release || order == std::memory_order_acq_rel ||
           order == std::memory_order_seq_cst;
}

}  // namespace

void View::tick(unsigned actor) {
    std::uint8_t& clock = at_[kWords + actor];
    SHMIPC_CHECK(clock < std::numeric_limits<std::uint8_t>::max(), "a run is too long for a clock");
    ++clock;
}

std::uint64_t View::hash(std::uint64_t seed) const noexcept {
    const auto parts = std::bit_cast<std::array<std::uint64_t, sizeof(View) / 8>>(*this);
    for (const std::uint64_t part : parts) {
        seed = mix(seed, part);
    }
    return seed;
}

void WeakMemoryModel::declare_word_of_bytes(std::byte* at) {
    words_.push_back(
        {at,
         [](const void* bytes) {
             std::uint64_t value = 0;
             std::memcpy(&value, bytes, sizeof value);
             return value;
         },
         [](void* bytes, std::uint64_t value) { std::memcpy(bytes, &value, sizeof value); },
         {},
         0,
         0});
}

void WeakMemoryModel::begin() {
    SHMIPC_CHECK(words_.size() <= View::kWords, "a view has no room for so many words");
    for (Word& word : words_) {
        word.messages[0] = {word.get(word.at), View{}};
        word.count = 1;
        word.hash = mix(0, word.messages[0].value);
    }
    blocks_.assign(blocks_.size(), Block{});
    actors_.assign(actors_.size(), Actor{});
    total_ = View{};
    exposed_ = kNothing;
}

std::size_t WeakMemoryModel::index_of(const void* word) const {
    std::size_t index = 0;
    while (index < words_.size() && words_[index].at != word) {
        ++index;
    }
    SHMIPC_CHECK(index < words_.size(), "an operation on a word that was not declared");
    return index;
}

std::size_t WeakMemoryModel::oldest_readable(unsigned actor, std::size_t word,
                                             std::memory_order order) const noexcept {
    const std::size_t own = actors_[actor].current.word(word);
    const std::size_t total = order == std::memory_order_seq_cst ? total_.word(word) : 0;
    return own < total ? total : own;
}

std::uint64_t WeakMemoryModel::read(unsigned actor, std::size_t word, std::size_t number,
                                    std::memory_order order) {
    Actor& self = actors_[actor];
    const Message& message = words_[word].messages[number];
    self.current.raise(word, number);
    self.acquirable.join(message.released);
    if (acquires(order)) {
        self.current.join(message.released);
    }
    if (order == std::memory_order_seq_cst) {
        total_.raise(word, number);
    }
    return message.value;
}

void WeakMemoryModel::append(unsigned actor, std::size_t word, std::uint64_t value,
                             std::memory_order order, const View* continued) {
    Word& written = words_[word];
    Actor& self = actors_[actor];
    SHMIPC_CHECK(written.count < written.messages.size(), "a run stores too often to one word");
    const std::size_t number = written.count;
    self.current.raise(word, number);
    View released = releases(order) ? self.current : self.released;
    released.raise(word, number);
    if (continued != nullptr) {
        released.join(*continued);
    }
    if (order == std::memory_order_seq_cst) {
        total_.raise(word, number);
    }
    written.messages[number] = {value, released};
    ++written.count;
    written.hash = released.hash(mix(written.hash, value));
    written.set(written.at, value);
}

template <class Change>
std::uint64_t WeakMemoryModel::modify(unsigned actor, const void* word, std::memory_order order,
                                      Change&& change) {
    const std::size_t index = index_of(word);
    const std::size_t last = words_[index].count - 1;
    const std::uint64_t before = read(actor, index, last, order);
    append(actor, index, change(before), order, &words_[index].messages[last].released);
    return before;
}

std::uint64_t WeakMemoryModel::load(unsigned actor, const void* word, std::memory_order order) {
    const std::size_t index = index_of(word);
    const std::size_t oldest = oldest_readable(actor, index, order);
    const std::size_t last = words_[index].count - 1;
    // The newest first.
    const std::size_t back =
        oldest == last ? 0 : chooser_.choose(static_cast<unsigned>(last - oldest + 1));
    return read(actor, index, last - back, order);
}

void WeakMemoryModel::store(unsigned actor, const void* word, std::uint64_t value,
                            std::memory_order order) {
    append(actor, index_of(word), value, order, nullptr);
}

std::uint64_t WeakMemoryModel::exchange(unsigned actor, const void* word, std::uint64_t value,
                                        std::memory_order order) {
    return modify(actor, word, order, [value](std::uint64_t /*before*/) { return value; });
}

std::uint64_t WeakMemoryModel::fetch_or(unsigned actor, const void* word, std::uint64_t bits,
                                        std::memory_order order) {
    return modify(actor, word, order, [bits](std::uint64_t before) { return before | bits; });
}

std::uint64_t WeakMemoryModel::fetch_add(unsigned actor, const void* word, std::uint64_t value,
                                         std::memory_order order) {
    return modify(actor, word, order, [value](std::uint64_t before) { return before + value; });
}

bool WeakMemoryModel::compare_exchange(unsigned actor, const void* word, std::uint64_t& expected,
                                       std::uint64_t desired, std::memory_order success,
                                       std::memory_order failure) {
    const std::size_t index = index_of(word);
    const Word& found = words_[index];
    const std::size_t last = found.count - 1;
    // It succeeds with the last value, or fails with any other that may be read and is not
    // `expected`: a strong one does not fail for nothing.
    std::array<std::size_t, std::tuple_size_v<decltype(Word::messages)>> options{};
    unsigned count = 0;
    for (std::size_t i = last + 1; i-- > oldest_readable(actor, index, failure);) {
        if (i == last || found.messages[i].value != expected) {
            options[count++] = i;
        }
    }
    const std::size_t number = options[count == 1 ? 0 : chooser_.choose(count)];
    if (found.messages[number].value != expected) {
        expected = read(actor, index, number, failure);
        return false;
    }
    modify(actor, word, success, [desired](std::uint64_t /*before*/) { return desired; });
    return true;
}

void WeakMemoryModel::fence(unsigned actor, std::memory_order order) {
    Actor& self = actors_[actor];
    if (acquires(order)) {
        self.current.join(self.acquirable);
    }
    if (order == std::memory_order_seq_cst) {
        total_.join_words(self.current);
        self.current.join_words(total_);
    }
    if (releases(order)) {
        self.released = self.current;
    }
}

void WeakMemoryModel::fence_all(unsigned actor) {
    fence(actor, std::memory_order_seq_cst);
    for (unsigned other = 0; other < actors_.size(); ++other) {
        if (other != actor) {
            fence(other, std::memory_order_seq_cst);
        }
    }
    fence(actor, std::memory_order_seq_cst);
}

void WeakMemoryModel::replace(unsigned actor) {
    Actor& self = actors_[actor];
    self.acquirable = self.current;
    self.released = View{};
}

bool WeakMemoryModel::read_block(unsigned actor, std::size_t block) {
    View& now = actors_[actor].current;
    Block& bytes = blocks_[block];
    now.tick(actor);
    bytes.read[actor] = now.clock(actor);
    return bytes.written <= now.clock(bytes.writer);
}

bool WeakMemoryModel::write_block(unsigned actor, std::size_t block) {
    View& now = actors_[actor].current;
    Block& bytes = blocks_[block];
    now.tick(actor);
    bool ordered = bytes.written <= now.clock(bytes.writer);
    for (unsigned reader = 0; reader < kMaxActors; ++reader) {
        ordered = ordered && bytes.read[reader] <= now.clock(reader);
    }
    bytes.writer = actor;
    bytes.written = now.clock(actor);
    return ordered;
}

std::uint64_t WeakMemoryModel::expose(unsigned actor, const void* word) {
    conceal();
    const std::uint64_t value = load(actor, word, std::memory_order_relaxed);
    exposed_ = index_of(word);
    words_[exposed_].set(words_[exposed_].at, value);
    return value;
}

void WeakMemoryModel::conceal() {
    if (exposed_ != kNothing) {
        const Word& word = words_[exposed_];
        word.set(word.at, word.messages[word.count - 1].value);
        exposed_ = kNothing;
    }
}

std::uint64_t WeakMemoryModel::newest(const void* word) const {
    const Word& found = words_[index_of(word)];
    return found.messages[found.count - 1].value;
}

std::uint64_t WeakMemoryModel::hash() const noexcept {
    std::uint64_t hash = total_.hash(0);
    for (const Actor& actor : actors_) {
        hash = actor.released.hash(actor.acquirable.hash(actor.current.hash(hash)));
    }
    for (const Word& word : words_) {
        hash = mix(hash, word.hash);
    }
    for (const Block& block : blocks_) {
        hash = mix(mix(hash, std::bit_cast<std::uint32_t>(block.read)),
                   std::uint64_t{block.writer} << 8U | block.written);
    }
    return hash;
}

}  // namespace shmipc::test::weak
