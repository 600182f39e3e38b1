#include "storm_record.hpp"

#include <new>

#include <sys/mman.h>

namespace shmipc::crash {

SharedRecords make_records() {
    void* const memory =
        mmap(nullptr, sizeof(Records), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        throw std::bad_alloc();
    }
    return SharedRecords(new (memory) Records{});
}

void Unmap::operator()(Records* records) const noexcept {
    munmap(records, sizeof(Records));
}

}  // namespace shmipc::crash
