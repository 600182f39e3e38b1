// The interfaces of one service, org.varlink.service among them, and the way from a call to its
// method. Does not change once it is made, and is shared by all connections: a method that ends the
// server keeps running in a service that is still there.
#pragma once

#include "server.hpp"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace shmipc::varlink {

class Service {
  public:
    /// `interfaces`: each name once, and none of them org.varlink.service.
    Service(Info info, std::vector<Interface> interfaces);
    Service(const Service&) = delete;
    Service& operator=(const Service&) = delete;
    ~Service() = default;

    /// Runs the method that the call names, or answers why not. What a method throws passes, but
    /// for InvalidParameter.
    void dispatch(const std::shared_ptr<Call>& call) const;

  private:
    void add(Interface interface);
    [[nodiscard]] Interface describe_itself() const;
    void get_info(Call& call) const;
    void get_interface_description(Call& call) const;

    Info info_;
    std::map<std::string, Interface, std::less<>> interfaces_;
};

}  // namespace shmipc::varlink
