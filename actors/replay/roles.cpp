#include "actors/replay/roles.hpp"

#include <string_view>

namespace muster {

namespace {

constexpr std::string_view runner_part = "runner:";
constexpr std::string_view group_part = "/group";
constexpr std::string_view instance_part = "/group/instance:";
constexpr std::string_view slot_part = "/slot:";

/// The names that clouds give to instances may have slashes.
part below_group(std::string_view rest) {
  auto at = rest.rfind(slot_part);
  auto is_slot = at != std::string_view::npos
                 && rest.find('/', at + slot_part.size()) == rest.npos;
  return is_slot ? part::slot : part::instance;
}

part below_job(std::string_view rest) {
  auto end = rest.find('/', 1);
  if (end == std::string_view::npos)
    return part::job;
  return rest.substr(end) == "/trace" ? part::trace : part::other;
}

} // namespace

part part_of(const std::string& role) {
  std::string_view text = role;
  if (!text.starts_with(runner_part))
    return part::other;
  auto end = text.find('/');
  if (end == std::string_view::npos)
    return part::runner;
  auto rest = text.substr(end);
  if (rest == group_part)
    return part::group;
  if (rest == "/coordinator")
    return part::coordinator;
  if (rest.starts_with(instance_part))
    return below_group(rest);
  return rest.starts_with("/job:") ? below_job(rest) : part::other;
}

bool is_edge(const std::string& role) {
  if (part_of(role) != part::other)
    return false;
  auto last = std::string_view{role}.substr(role.rfind('/') + 1);
  return last == "journal" || last == "provider" || last.starts_with("worker:");
}

bool is_restorable(part x) {
  return x == part::group || x == part::instance || x == part::slot;
}

std::string parent_of(const std::string& role) {
  if (part_of(role) == part::instance)
    return role.substr(0, role.find(instance_part) + group_part.size());
  return role.substr(0, role.rfind('/'));
}

std::string runner_of(const std::string& role) {
  auto name = role.substr(0, role.find('/'));
  return name.starts_with(runner_part) ? name.substr(runner_part.size()) : name;
}

} // namespace muster
