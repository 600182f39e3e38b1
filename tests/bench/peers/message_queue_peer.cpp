// Boost.Interprocess message_queue, one for each consumer, of kLength messages: the producer throws
// away the oldest when it is full, the consumer drains it to the newest.
#include "entries.hpp"
#include "entry.hpp"
#include "queue_reader.hpp"

#include <boost/date_time/posix_time/posix_time_types.hpp>
#include <boost/interprocess/ipc/message_queue.hpp>

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace shmipc::bench {

namespace {

namespace interprocess = boost::interprocess;
using Queue = interprocess::message_queue;
constexpr std::size_t kLength = 8;

template <std::size_t kSize>
struct MessageQueuePeer {
    static constexpr std::size_t kFixed = kSize;
    static constexpr std::string_view kName = "message_queue";
    static constexpr bool kSleeps = true;
    static constexpr bool kAsynchronous = false;
    static constexpr bool kConnects = false;
    static constexpr bool kQueues = true;

    static std::string cannot(const PlaceConfig&) { return {}; }

    class Place {
      public:
        explicit Place(const PlaceConfig& config)
            : bytes(config.setting.bytes), consumers(config.setting.consumers), name_(config.name) {
            for (std::uint32_t consumer = 0; consumer <= consumers; ++consumer) {
                queues_.push_back(std::make_unique<Named>(name_of(consumer), bytes));
            }
        }
        /// The queue to a consumer; 0 is the way back from consumer 1 to the producer.
        Queue& queue(std::uint32_t consumer) { return queues_[consumer]->queue; }
        std::size_t bytes;
        std::uint32_t consumers;

      private:
        struct Named {
            Named(const std::string& text, std::size_t bytes)
                : name(text), queue(interprocess::create_only, text.c_str(), kLength, bytes) {}
            ~Named() { Queue::remove(name.c_str()); }
            Named(const Named&) = delete;
            Named& operator=(const Named&) = delete;
            std::string name;
            Queue queue;
        };
        [[nodiscard]] std::string name_of(std::uint32_t consumer) const {
            return "shmipc-" + name_ + "-" + std::to_string(consumer);
        }
        std::string name_;
        std::vector<std::unique_ptr<Named>> queues_;
    };
    struct Member {
        Member(Place& where, std::uint32_t number) : place(where), index(number) {}
        Place& place;
        std::uint32_t index;
    };

    class Writer {
      public:
        explicit Writer(Member& member) : message_(member.place.bytes), old_(member.place.bytes) {
            if (member.index != 0) {
                queues_.push_back(&member.place.queue(0));
                return;
            }
            for (std::uint32_t consumer = 1; consumer <= member.place.consumers; ++consumer) {
                queues_.push_back(&member.place.queue(consumer));
            }
        }
        template <class Write>
        void publish(Write&& write) {
            write(message_.data());
            for (Queue* queue : queues_) {
                while (!queue->try_send(message_.data(), message_.size(), 0)) {
                    Queue::size_type size = 0;
                    unsigned int priority = 0;
                    queue->try_receive(old_.data(), old_.size(), size, priority);
                }
            }
        }

      private:
        std::vector<Queue*> queues_;
        std::vector<std::byte> message_;
        std::vector<std::byte> old_;
    };

    class Source {
      public:
        explicit Source(Queue& queue) : queue_(&queue) {}
        bool receive(std::byte* at, std::size_t bytes) {
            Queue::size_type size = 0;
            unsigned int priority = 0;
            return queue_->try_receive(at, bytes, size, priority);
        }
        /// It can sleep only in the act of receiving.
        bool receive_or_sleep(std::byte* at, std::size_t bytes) {
            Queue::size_type size = 0;
            unsigned int priority = 0;
            const auto deadline =
                boost::posix_time::microsec_clock::universal_time() + boost::posix_time::seconds(1);
            return queue_->timed_receive(at, bytes, size, priority, deadline);
        }

      private:
        Queue* queue_;
    };
    class Reader : public QueueReader<Source> {
      public:
        Reader(Member& member, std::uint32_t)
            : QueueReader<Source>(Source(member.place.queue(member.index)), member.place.bytes) {}
    };
};

}  // namespace

PeerEntry message_queue_entry() {
    return make_entry<MessageQueuePeer>();
}

}  // namespace shmipc::bench
