#include "service.hpp"

#include "error_names.hpp"
#include "parameters.hpp"
#include <shmipc/detail/check.hpp>

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include <new>
#include <string_view>
#include <utility>

namespace shmipc::varlink {
namespace {

namespace json = boost::json;

constexpr std::string_view kServiceDescription =
    R"(# What every Varlink service tells of itself.
interface org.varlink.service

# The service's names, and the interfaces that it has.
method GetInfo() -> (
  vendor: string,
  product: string,
  version: string,
  url: string,
  interfaces: []string
)

# An interface in Varlink's own language.
method GetInterfaceDescription(interface: string) -> (description: string)

# There is no such interface.
error InterfaceNotFound (interface: string)

# The interface has no such method.
error MethodNotFound (method: string)

# The interface has the method, but nothing answers it.
error MethodNotImplemented (method: string)

# A parameter is missing, unknown, of another type or out of its range.
error InvalidParameter (parameter: string)

# The client may not do this.
error PermissionDenied ()

# The method answers more than once, and was not called with "more".
error ExpectedMore ()
)";

}  // namespace

Service::Service(Info info, std::vector<Interface> interfaces) : info_(std::move(info)) {
    add(describe_itself());
    for (Interface& interface : interfaces) {
        add(std::move(interface));
    }
}

void Service::add(Interface interface) {
    const std::string name = interface.name;
    const bool added = interfaces_.emplace(name, std::move(interface)).second;
    SHMIPC_CHECK(added, "two Varlink interfaces of one name");
}

Interface Service::describe_itself() const {
    return {.name = std::string(kServiceInterface),
            .description = std::string(kServiceDescription),
            .methods = {{"GetInfo", [this](const std::shared_ptr<Call>& call) { get_info(*call); }},
                        {"GetInterfaceDescription", [this](const std::shared_ptr<Call>& call) {
                             get_interface_description(*call);
                         }}}};
}

void Service::dispatch(const std::shared_ptr<Call>& call) const {
    const std::string_view full = call->method();
    const std::size_t dot = full.rfind('.');
    if (dot == std::string_view::npos || dot == 0) {
        call->fail(kInvalidParameter, {{"parameter", "method"}});
        return;
    }
    const auto interface = interfaces_.find(full.substr(0, dot));
    if (interface == interfaces_.end()) {
        call->fail(kInterfaceNotFound, {{"interface", full.substr(0, dot)}});
        return;
    }
    const auto method = interface->second.methods.find(full.substr(dot + 1));
    if (method == interface->second.methods.end()) {
        call->fail(kMethodNotFound, {{"method", full}});
        return;
    }
    try {
        method->second(call);
    } catch (const InvalidParameter& invalid) {
        call->fail(kInvalidParameter, {{"parameter", invalid.what()}});
    } catch (const std::bad_alloc&) {
        call->fail(kOutOfMemory);  // which is this request's end, and nothing else's
    }
}

void Service::get_info(Call& call) const {
    Parameters(call.parameters()).finish();
    json::array names;  // sorted, as the map is
    for (const auto& [name, interface] : interfaces_) {
        names.emplace_back(name);
    }
    call.reply({{"vendor", info_.vendor},
                {"product", info_.product},
                {"version", info_.version},
                {"url", info_.url},
                {"interfaces", std::move(names)}});
}

void Service::get_interface_description(Call& call) const {
    Parameters parameters(call.parameters());
    const auto name = parameters.text("interface");
    parameters.finish();
    if (!name) {
        throw InvalidParameter("interface");
    }
    const auto interface = interfaces_.find(*name);
    if (interface == interfaces_.end()) {
        call.fail(kInterfaceNotFound, {{"interface", *name}});
        return;
    }
    call.reply({{"description", interface->second.description}});
}

}  // namespace shmipc::varlink
