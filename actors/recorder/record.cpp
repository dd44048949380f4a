#include "actors/recorder/record.hpp"

namespace muster {

std::string to_string(record_kind x) {
  switch (x) {
    case record_kind::born:
      return "born";
    case record_kind::handled:
      return "handled";
    case record_kind::sent:
      return "sent";
    case record_kind::note:
      return "note";
    case record_kind::ended:
      return "ended";
    case record_kind::gap:
      return "gap";
    case record_kind::state:
      return "state";
  }
  return "unknown";
}

std::string to_string(const player& x) {
  if (x.role.empty())
    return x.number == 0 ? "-" : "actor:" + std::to_string(x.number);
  return x.life > 1 ? x.role + "#" + std::to_string(x.life) : x.role;
}

} // namespace muster
