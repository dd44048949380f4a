#include "tests/support/fleeting_plugin/cloud.hpp"

#include <cstdio>
#include <fstream>

namespace muster::test {

using nlohmann::json;

json cloud::read() const {
  std::ifstream in{file_};
  auto found = json::parse(in, nullptr, false);
  return found.is_object() ? found
                           : json{{"next", 1}, {"instances", json::object()}};
}

void cloud::write(const json& what) const {
  std::ofstream{file_ + ".new"} << what;
  std::rename((file_ + ".new").c_str(), file_.c_str());
}

std::map<std::string, std::string> cloud::list() {
  std::lock_guard guard{mutex_};
  auto all = read();
  auto out = all["instances"].get<std::map<std::string, std::string>>();
  for (auto& [id, state] : all["instances"].items())
    state = "running";
  write(all);
  return out;
}

void cloud::add(uint32_t count) {
  std::lock_guard guard{mutex_};
  auto all = read();
  for (uint32_t i = 0; i < count; ++i) {
    auto number = all["next"].get<int>();
    all["next"] = number + 1;
    all["instances"]["i-" + std::to_string(number)] = "creating";
  }
  write(all);
}

bool cloud::remove(const std::string& id) {
  std::lock_guard guard{mutex_};
  auto all = read();
  auto found = all["instances"].erase(id) > 0;
  write(all);
  return found;
}

bool cloud::has(const std::string& id) {
  std::lock_guard guard{mutex_};
  return read()["instances"].contains(id);
}

std::string cloud::fault(const std::string& call) const {
  std::ifstream in{file_ + ".faults"};
  auto all = json::parse(in, nullptr, false);
  return all.is_object() ? all.value(call, "") : "";
}

void cloud::note(const std::string& call, const json& with) {
  std::lock_guard guard{mutex_};
  std::ofstream{file_ + ".calls", std::ios::app}
    << json{{"call", call}, {"with", with}} << '\n';
}

} // namespace muster::test
