#include "tools/coordinator/manager_log.hpp"

#include <nlohmann/json.hpp>

namespace muster::gitlab {

namespace {

using nlohmann::json;

/// A field as text, whether it was written as a number or not.
std::string text_of(const json& line, const char* field) {
  auto found = line.find(field);
  if (found == line.end())
    return {};
  if (const auto* text = found->get_ptr<const std::string*>())
    return *text;
  return found->is_number_integer() ? found->dump() : std::string{};
}

void take(std::string_view text, std::map<int64_t, job_place>& to) {
  // Most lines are about something else: parsing them is not worth it.
  if (text.find("Dialing instance") == std::string_view::npos)
    return;
  auto line = json::parse(text, nullptr, false);
  if (!line.is_object() || text_of(line, "msg") != "Dialing instance")
    return;
  auto job = line.find("job");
  if (job != line.end() && job->is_number_integer())
    to[job->get<int64_t>()]
      = {text_of(line, "instance"), text_of(line, "slot")};
}

} // namespace

std::map<int64_t, job_place> job_places(std::string_view log) {
  std::map<int64_t, job_place> result;
  while (!log.empty()) {
    auto end = log.find('\n');
    take(log.substr(0, end), result);
    log.remove_prefix(end == std::string_view::npos ? log.size() : end + 1);
  }
  return result;
}

} // namespace muster::gitlab
