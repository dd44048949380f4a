#include "actors/group/time_zone.hpp"

#include <cstdlib>
#include <exception>
#include <string_view>

namespace muster {

namespace {

/// A zone's name out of a path into the database, or the name as it is.
std::string zone_in(std::string_view path) {
  constexpr std::string_view folder = "zoneinfo/";
  auto at = path.rfind(folder);
  return std::string{at == path.npos ? path : path.substr(at + folder.size())};
}

} // namespace

result<const date::time_zone*, config_errc> find_zone(const std::string& name) {
  if (name.empty() || name == "UTC")
    return nullptr;
  try {
    const auto* zone = date::locate_zone(name);
    zone->get_info(
      date::sys_seconds{}); // reads its file now, not in a decision
    return zone;
  } catch (const std::exception&) {
    return fail(config_errc::not_valid,
                "loading timezone: unknown time zone " + name
                  + ": use an IANA name such as Europe/Berlin, and check that "
                    "the package tzdata is installed");
  }
}

date::local_seconds wall_clock(const date::time_zone* zone,
                               std::chrono::sys_seconds when) {
  return zone != nullptr ? zone->to_local(when)
                         : date::local_seconds{when.time_since_epoch()};
}

std::string local_zone_name() {
  if (const auto* text = std::getenv("TZ"); text != nullptr) {
    auto name = std::string_view{text};
    if (name.starts_with(':'))
      name.remove_prefix(1);
    auto zone = zone_in(name);
    return find_zone(zone) && !zone.empty() ? zone : "UTC";
  }
  try {
    return date::current_zone()->name();
  } catch (const std::exception&) {
    return "UTC";
  }
}

} // namespace muster
