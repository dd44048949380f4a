#include "messages/errors.hpp"

#include <caf/all.hpp>

namespace muster {

std::string text_of(const caf::error& x) {
  if (!x)
    return "";
  const auto& context = x.context();
  if (context.size() == 1 && context.match_element<std::string>(0))
    return context.get_as<std::string>(0);
  if (x.category() == caf::atom("exit"))
    return caf::to_string(static_cast<caf::exit_reason>(x.code()));
  if (x.category() == caf::atom("system"))
    return caf::to_string(static_cast<caf::sec>(x.code()));
  return caf::to_string(x);
}

} // namespace muster
