#include "providers/fleeting/registry/tags.hpp"

#include <nlohmann/json.hpp>

namespace muster::fleeting {

result<std::vector<std::string>, provider_errc>
parse_tags(std::string_view body) {
  auto page = nlohmann::json::parse(body, nullptr, false);
  if (!page.is_object() || !page.contains("tags"))
    return fail(provider_errc::call_failed, "its list of tags is none");
  std::vector<std::string> out;
  // A repository without tags has `null`.
  for (const auto& x : page["tags"])
    if (x.is_string())
      out.push_back(x.get<std::string>());
  return out;
}

std::string next_page(std::string_view link) {
  while (!link.empty()) {
    auto open = link.find('<');
    auto close = link.find('>', open);
    if (close == std::string_view::npos)
      return "";
    auto target = link.substr(open + 1, close - open - 1);
    link.remove_prefix(close + 1);
    auto parameters = link.substr(0, link.find('<'));
    if (parameters.find("rel=\"next\"") != std::string_view::npos
        || parameters.find("rel=next") != std::string_view::npos)
      return std::string{target};
  }
  return "";
}

std::optional<std::string> highest_tag(const std::vector<std::string>& tags,
                                       const version_constraint& constraint) {
  std::optional<std::string> out;
  version highest;
  for (const auto& tag : tags) {
    auto number = parse_version(tag);
    if (!number || !allows(constraint, *number)
        || (out && !is_older(highest, *number)))
      continue;
    highest = std::move(*number);
    out = tag;
  }
  return out;
}

} // namespace muster::fleeting
