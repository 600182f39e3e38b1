// Fuzz target: a configuration file with any bytes. A ConfigError with a text may come of it.
#include "config/config.hpp"

#include "config/config_changes.hpp"
#include "config/config_warnings.hpp"

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace shmipc::supervisor;
    const std::string text(data, data + size);
    try {
        const Config config = read_config(text, "fuzz.toml");
        check_config(config);
        for (std::uint32_t i = 0; i < config.group.workers; ++i) {
            static_cast<void>(config.settings_of(shmipc::WorkerIndex{i}));
        }
        for (const std::string& warning : warnings_of(config)) {
            if (warning.empty()) {
                std::abort();
            }
        }
    } catch (const ConfigError& error) {
        if (std::string_view(error.what()).empty()) {
            std::abort();  // an error must say what is wrong
        }
    }
    return 0;
}
