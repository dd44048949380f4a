#include "providers/fleeting/fleeting_group.hpp"

#include "providers/fleeting/connect.hpp"

#include <algorithm>
#include <climits>
#include <fmt/format.h>
#include <utility>

namespace muster {

namespace {

using namespace fleeting;
using std::chrono::steady_clock;

/// More than a manager can serve, and than a memory should hold.
constexpr size_t instances_max = 200'000;
/// Ids stand in paths, journals and logs of jobs.
constexpr size_t id_max = 1'024;
/// Calls in a row beyond their deadline, until a plugin is taken for stuck:
/// clouds have slow minutes.
constexpr int timeouts_max = 2;

std::string one_line(std::string text) {
  std::ranges::replace(text, '\n', ' ');
  return text;
}

std::optional<provider_instance_state> known_state(int number) {
  if (number < 0
      || number > static_cast<int>(provider_instance_state::resuming))
    return std::nullopt;
  return static_cast<provider_instance_state>(number); // as on the wire
}

} // namespace

fleeting_group::fleeting_group(group_options options)
  : options_(std::move(options)),
    plugin_(options_.plugin) {
}

log::fields fleeting_group::fields() const {
  auto out = options_.plugin.log_fields;
  out.emplace_back("plugin", options_.plugin.plugin);
  return out;
}

template <class Call>
auto fleeting_group::ask(const Call& call)
  -> decltype(call(std::declval<plugin_link&>())) {
  if (!started_)
    return tl::unexpected{
      call_error{call_outcome::broken, "the plugin was not started"}};
  running_plugin::call_mark mark{plugin_};
  return call(plugin_.link());
}

// -- beginning ----------------------------------------------------------------

result<group_info, provider_errc> fleeting_group::init(deadline by) {
  if (auto read = read_key(); !read)
    return tl::unexpected{read.error()};
  if (auto done = plugin_.start(by); !done)
    return tl::unexpected{done.error()};
  started_ = true;
  auto told = ask([&](plugin_link& to) {
    return to.init(options_.config_json, settings_of(options_.connector, key_),
                   by);
  });
  if (!told)
    return tl::unexpected{failed("Init", told.error())};
  if (told->id.empty())
    return fail(provider_errc::call_failed,
                plugin_.name() + " names no group: its Init answered nothing");
  return group_info{told->id, told->max_size, told->version,
                    one_line(told->build_info)};
}

/// A plugin gets a key that needs no passphrase: none can open one.
result<void, provider_errc> fleeting_group::read_key() {
  const auto& connector = options_.connector;
  if (connector.key_path.empty())
    return {};
  auto key = options_.read_key(connector.key_path, connector.key_passphrase);
  if (!key)
    return tl::unexpected{key.error()};
  key_ = std::move(*key);
  return {};
}

/// What a call failed of. After a loss that is the reason.
failure<provider_errc> fleeting_group::failed(const char* call,
                                              const call_error& why) const {
  if (auto loss = plugin_.loss())
    return {provider_errc::call_failed, loss->text};
  auto text = one_line(why.text);
  auto is_late = why.what == call_outcome::timed_out;
  return {is_late ? provider_errc::timed_out : provider_errc::call_failed,
          is_late ? fmt::format("{}: {} was not answered in time",
                                plugin_.name(), call)
                  : fmt::format("{}: {}: {}", plugin_.name(), call,
                                text.empty() ? "the call broke off" : text)};
}

/// A plugin that has forgotten its calls is as good as dead, though it lives.
void fleeting_group::answered(bool in_time, const char* call) {
  timeouts_ = in_time ? 0 : timeouts_ + 1;
  if (timeouts_ >= timeouts_max)
    plugin_.lose(fmt::format("{} is stuck: {} calls in a row were not answered "
                             "in time, the last of them {}",
                             plugin_.name(), timeouts_, call));
}

void fleeting_group::on_loss(loss_handler tell) {
  plugin_.on_loss(std::move(tell));
}

// -- instances ----------------------------------------------------------------

result<std::vector<listed_instance>, provider_errc>
fleeting_group::update(deadline by) {
  std::vector<listed_instance> out;
  std::map<std::string, provider_instance_state> seen;
  auto too_many = false;
  auto take = [&](const update_row& row) {
    too_many = out.size() >= instances_max;
    if (too_many || !is_usable(row.instance))
      return !too_many;
    if (auto state = state_of(row)) {
      out.push_back({row.instance, *state});
      seen[row.instance] = *state;
    }
    return true;
  };
  auto done = ask([&](plugin_link& to) { return to.update(take, by); });
  if (too_many)
    return fail(provider_errc::call_failed,
                fmt::format("{}: Update lists more than {} instances: the "
                            "listing is void",
                            plugin_.name(), instances_max));
  answered(done || done.error().what != call_outcome::timed_out, "Update");
  if (!done)
    return tl::unexpected{failed("Update", done.error())};
  states_ = std::move(seen);
  return out;
}

/// A later plugin may have states that nobody here knows. Whom we know stays as
/// he was; others are left out until they are something that we know.
std::optional<provider_instance_state>
fleeting_group::state_of(const update_row& row) {
  if (auto known = known_state(row.state))
    return known;
  auto last = states_.find(row.instance);
  if (odd_states_.insert(row.state).second) {
    auto with = fields();
    with.emplace_back("instance", row.instance);
    with.emplace_back("state", std::to_string(row.state));
    log::warning(last == states_.end()
                   ? "the plugin lists an instance in a state that muster does "
                     "not know; it is left out"
                   : "the plugin lists an instance in a state that muster does "
                     "not know; it is taken for what it was before",
                 with);
  }
  return last == states_.end() ? std::nullopt : std::optional{last->second};
}

bool fleeting_group::is_usable(const std::string& id) {
  auto is_odd = [](unsigned char c) { return c < ' ' || c == 0x7f; };
  if (!id.empty() && id.size() <= id_max && std::ranges::none_of(id, is_odd))
    return true;
  if (!std::exchange(warned_of_ids_, true))
    log::warning("the plugin lists instances with ids that cannot be any: "
                 "empty, of more than 1024 bytes or with control characters; "
                 "they are left out",
                 fields());
  return false;
}

result<int, provider_errc> fleeting_group::increase(int count, deadline by) {
  if (count <= 0)
    return 0;
  auto told = ask([&](plugin_link& to) {
    return to.increase(static_cast<uint32_t>(count), by);
  });
  auto uncertain = !told && told.error().what != call_outcome::refused
                   && told.error().what != call_outcome::unimplemented;
  answered(told || told.error().what != call_outcome::timed_out, "Increase");
  if (!told) {
    auto why = failed("Increase", told.error());
    if (uncertain)
      why.code = provider_errc::timed_out;
    return tl::unexpected{why};
  }
  if (*told > static_cast<uint32_t>(count)) {
    auto with = fields();
    with.emplace_back("num_requested", std::to_string(count));
    with.emplace_back("num_successful", std::to_string(*told));
    log::error("provider increased instances beyond those requested", with);
    return count;
  }
  return static_cast<int>(*told);
}

result<std::vector<std::string>, provider_errc>
fleeting_group::decrease(const std::vector<std::string>& ids, deadline by) {
  auto told = ask([&](plugin_link& to) { return to.decrease(ids, by); });
  answered(told || told.error().what != call_outcome::timed_out, "Decrease");
  if (!told)
    return tl::unexpected{failed("Decrease", told.error())};
  // Each that was asked for, once: what else it names is nobody's.
  std::set<std::string> accepted{told->begin(), told->end()};
  std::vector<std::string> out;
  for (const auto& id : ids)
    if (accepted.erase(id) > 0)
      out.push_back(id);
  if (!accepted.empty()) {
    auto with = fields();
    with.emplace_back("amount", std::to_string(accepted.size()));
    log::warning("the plugin says that it removes instances that nobody asked "
                 "it to remove",
                 with);
  }
  return out;
}

result<connect_info, provider_errc>
fleeting_group::get_connect_info(const std::string& id, deadline by) {
  auto told = ask([&](plugin_link& to) { return to.get_connect_info(id, by); });
  if (!told)
    return tl::unexpected{failed("ConnectInfo", told.error())};
  return connect_info_from(id, *told, options_.connector, key_);
}

result<void, provider_errc> fleeting_group::heartbeat(const std::string& id,
                                                      deadline by) {
  auto told = ask([&](plugin_link& to) { return to.heartbeat(id, by); });
  if (told || told.error().what != call_outcome::refused)
    return {};
  return tl::unexpected{failed("Heartbeat", told.error())};
}

// -- the end ------------------------------------------------------------------

void fleeting_group::shutdown(deadline by) {
  plugin_.stop(by);
}

void fleeting_group::cancel() {
  plugin_.cancel();
}

} // namespace muster
