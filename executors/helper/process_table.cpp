#include "executors/helper/processes.hpp"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <dirent.h>
#include <fcntl.h>
#include <map>
#include <set>
#include <sys/stat.h>
#include <unistd.h>

namespace muster::helper {

namespace {

constexpr size_t environment_max = 4u << 20; ///< [bytes]
constexpr size_t described_max = 5;          ///< [processes]

/// Returns a file of /proc, empty if the process is gone or not ours.
std::string read_file(const std::string& path, size_t size_max) {
  unique_fd fd{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  std::string content;
  char piece[4096];
  while (fd && content.size() < size_max) {
    auto n = ::read(fd.get(), piece, sizeof(piece));
    if (n <= 0)
      break;
    content.append(piece, static_cast<size_t>(n));
  }
  return content;
}

std::vector<pid_t> all_processes() {
  std::vector<pid_t> result;
  auto* folder = ::opendir("/proc");
  if (folder == nullptr)
    return result;
  while (const auto* entry = ::readdir(folder)) {
    auto pid = static_cast<pid_t>(std::strtol(entry->d_name, nullptr, 10));
    if (pid > 0)
      result.push_back(pid);
  }
  ::closedir(folder);
  return result;
}

std::string proc_path(pid_t pid, const char* file) {
  return "/proc/" + std::to_string(pid) + "/" + file;
}

struct process_facts {
  std::string name;
  pid_t parent = 0;
};

/// The name stands in parentheses and may hold any byte, also `)`.
process_facts facts_of(pid_t pid) {
  auto text = read_file(proc_path(pid, "stat"), 4096);
  auto open = text.find('(');
  auto close = text.rfind(')');
  if (open == std::string::npos || close == std::string::npos
      || close + 4 > text.size())
    return {};
  return {
    text.substr(open + 1, close - open - 1),
    static_cast<pid_t>(std::strtol(text.c_str() + close + 4, nullptr, 10))};
}

std::set<pid_t> self_and_ancestors() {
  std::set<pid_t> result;
  for (auto pid = ::getpid(); pid > 0 && result.insert(pid).second;)
    pid = facts_of(pid).parent;
  return result;
}

bool has_entry(const std::string& environment, const std::string& entry) {
  for (size_t at = 0; (at = environment.find(entry, at)) != std::string::npos;
       ++at) {
    auto end = at + entry.size();
    bool begins = at == 0 || environment[at - 1] == '\0';
    if (begins && (end == environment.size() || environment[end] == '\0'))
      return true;
  }
  return false;
}

} // namespace

/// All of /proc is read: the kernel's own lists of children are by thread, and
/// not there on every kernel.
std::vector<pid_t> descendants(const std::vector<pid_t>& except) {
  std::multimap<pid_t, pid_t> children;
  for (auto pid : all_processes())
    children.emplace(facts_of(pid).parent, pid);
  std::vector<pid_t> found{::getpid()};
  for (size_t i = 0; i < found.size(); ++i) {
    auto [first, last] = children.equal_range(found[i]);
    for (; first != last; ++first)
      if (first->second != found.front()
          && std::find(except.begin(), except.end(), first->second)
               == except.end())
        found.push_back(first->second);
  }
  found.erase(found.begin());
  return found;
}

std::string describe(const std::vector<pid_t>& processes) {
  std::string text;
  for (size_t i = 0; i < processes.size() && i < described_max; ++i)
    text += (i == 0 ? "" : ", ") + std::to_string(processes[i]) + " ("
            + facts_of(processes[i]).name + ")";
  if (processes.size() > described_max)
    text
      += " and " + std::to_string(processes.size() - described_max) + " more";
  return text;
}

std::vector<pid_t> processes_with(const std::string& entry) {
  std::vector<pid_t> result;
  auto spared = self_and_ancestors();
  for (auto pid : all_processes()) {
    struct stat facts {};
    if (spared.count(pid) != 0
        || ::stat(proc_path(pid, "").c_str(), &facts) != 0
        || (facts.st_uid != ::geteuid() && ::geteuid() != 0))
      continue;
    if (has_entry(read_file(proc_path(pid, "environ"), environment_max), entry))
      result.push_back(pid);
  }
  return result;
}

} // namespace muster::helper
