#include "autopsy_stream.hpp"

#include "json_reports.hpp"

#include <boost/json/array.hpp>

#include <algorithm>
#include <utility>

namespace shmipc::supervisor {
namespace {

namespace json = boost::json;

json::array to_list(const std::vector<const Certificate*>& deaths, std::size_t first,
                    std::size_t count) {
    json::array list;
    for (std::size_t i = first; i < first + count; ++i) {
        list.push_back(to_json(*deaths[i]));
    }
    return list;
}

}  // namespace

void AutopsyStream::start() {
    if (call_->more()) {
        send_part();
        return;
    }
    const std::vector<const Certificate*> deaths = rest();
    const std::size_t count = std::min(deaths.size(), kPart);
    const std::size_t left_out = deaths.size() - count;
    call_->reply({{"deaths", to_list(deaths, left_out, count)}, {"left_out", left_out}});
}

std::vector<const Certificate*> AutopsyStream::rest() const {
    std::vector<const Certificate*> deaths;
    for (const WorkerIndex worker : workers_) {
        for (const Certificate& death : supervisor_.deaths(worker).last()) {
            if (death.order <= until_ && place_of(death) > told_) {
                deaths.push_back(&death);
            }
        }
    }
    std::sort(deaths.begin(), deaths.end(), [](const Certificate* left, const Certificate* right) {
        return place_of(*left) < place_of(*right);
    });
    return deaths;
}

void AutopsyStream::send_part() {
    const std::vector<const Certificate*> deaths = rest();
    const std::size_t count = std::min(deaths.size(), kPart);
    json::object part{{"deaths", to_list(deaths, 0, count)}, {"left_out", 0}};
    if (count == deaths.size()) {
        call_->reply(std::move(part));
        return;
    }
    told_ = place_of(*deaths[count - 1]);
    call_->on_drained([self = shared_from_this()] { self->send_part(); });
    call_->reply_continued(std::move(part));
}

}  // namespace shmipc::supervisor
