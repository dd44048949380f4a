#include "executors/docker/cleaning.hpp"

#include "executors/docker/background.hpp"
#include "executors/docker/containers.hpp"

#include <set>
#include <sstream>

namespace muster::docker {

namespace {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

constexpr auto pause = 500ms; ///< between tries
/// Looks for what was being made when a stage was cut off: an Engine makes it
/// all the same.
constexpr int looks = 2;
constexpr int looks_unknown = 8; ///< a container's id did not come
constexpr const char* label_prefix = "com.gitlab.gitlab-runner.";

/// The number of a job alone may be another GitLab's, too.
json labels_of(const std::string& job_label) {
  std::istringstream lines{"managed=true\njob.id=" + job_label};
  auto all = json::array();
  for (std::string line; std::getline(lines, line);)
    all.push_back(label_prefix + line);
  return all;
}

engine_result<std::set<std::string>> labelled(const workplace& with) {
  json filters{{"label", labels_of(with.containers().job_label)}};
  auto x = with.at.ask(
    {"GET", "/containers/json?all=1&filters=" + url_encoded(filters.dump())});
  if (!x)
    return tl::unexpected{x.error()};
  std::set<std::string> ids;
  if (x->is_array())
    for (const auto& container : *x)
      if (container.is_object() && container.value("Id", json{}).is_string())
        ids.insert(container["Id"].get<std::string>());
  return ids;
}

/// Containers of this job by what its stages have noted. One whose making was
/// cut off has no id there: it goes by its name.
std::set<std::string> noted(const workplace& with) {
  auto state = with.state.get();
  std::set<std::string> names{state.services.begin(), state.services.end()};
  auto add = [&names](const container_state& x, const std::string& name) {
    if (!x.id.empty())
      names.insert(x.id);
    else if (x.begun)
      names.insert(name);
  };
  add(state.helper, with.containers().helper.name);
  add(state.build, with.containers().build.name);
  return names;
}

engine_result<void> remove_containers(const workplace& with,
                                      std::set<std::string> ids) {
  std::vector<std::future<engine_result<void>>> all;
  for (const auto& id : ids)
    all.push_back(in_background([&with, id] {
      return remove_container(with.at, id,
                              !with.containers().keep_anonymous_volumes);
    }));
  engine_result<void> result;
  for (auto& x : all)
    if (auto gone = x.get(); !gone)
      result = gone;
  return result;
}

engine_result<void> remove_volumes(const workplace& with) {
  std::vector<std::future<engine_result<json>>> all;
  for (const auto& volume : with.containers().volumes)
    if (volume.temporary)
      all.push_back(in_background([&with, name = volume.name] {
        return with.at.ask(
          {"DELETE", "/volumes/" + url_encoded(name) + "?force=1"});
      }));
  engine_result<void> result;
  for (auto& x : all)
    if (auto gone = x.get();
        !gone && gone.error().code != engine_errc::not_found)
      result = tl::unexpected{gone.error()};
  return result;
}

/// What somebody else has put into the job's network goes with it.
engine_result<void> empty_network(const workplace& with,
                                  const std::string& path) {
  auto x = with.at.ask({"GET", path});
  if (!x)
    return tl::unexpected{x.error()};
  auto inside = x->is_object() ? x->value("Containers", json{}) : json{};
  std::set<std::string> ids;
  if (inside.is_object())
    for (const auto& [id, facts] : inside.items())
      ids.insert(id);
  return remove_containers(with, ids);
}

engine_result<void> remove_network(const workplace& with) {
  if (!with.containers().network)
    return {};
  auto path = "/networks/" + url_encoded(with.containers().network->name);
  auto gone = with.at.ask({"DELETE", path});
  if (gone || gone.error().code == engine_errc::not_found)
    return {};
  if (auto emptied = empty_network(with, path); !emptied)
    return emptied;
  gone = with.at.ask({"DELETE", path});
  if (gone || gone.error().code == engine_errc::not_found)
    return {};
  return tl::unexpected{gone.error()};
}

engine_result<void> remove_all(const workplace& with, bool look_again) {
  auto ids = labelled(with);
  if (!ids)
    return tl::unexpected{ids.error()};
  auto all = noted(with);
  all.insert(ids->begin(), ids->end());
  if (auto gone = remove_containers(with, all); !gone)
    return gone;
  auto state = with.state.get();
  bool unknown = state.helper.id.empty() || state.build.id.empty();
  for (int i = 0; look_again && i < (unknown ? looks_unknown : looks); ++i) {
    std::this_thread::sleep_for(pause);
    auto left = labelled(with);
    if (!left)
      return tl::unexpected{left.error()};
    if (auto gone = remove_containers(with, *left); !gone)
      return gone;
    if (auto gone = remove_containers(with, noted(with)); !gone)
      return gone;
  }
  if (auto gone = remove_volumes(with); !gone)
    return gone;
  return remove_network(with);
}

} // namespace

std::string clean(const workplace& with, deadline until) {
  auto state = with.state.get();
  if (state.api_version.empty())
    return ""; // no stage ever reached the Engine
  std::string why;
  for (;;) {
    auto gone = remove_all(with, state.at_work || state.cut_off);
    if (gone)
      return "";
    // That the time is over says less than what was in the way before.
    if (why.empty() || gone.error().code != engine_errc::timed_out)
      why = gone.error().text;
    if (steady_clock::now() + pause >= until)
      return why;
    std::this_thread::sleep_for(pause);
  }
}

} // namespace muster::docker
