#include "tests/e2e/hosts/hosts_world.hpp"

#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <sqlite3.h>
#include <stdexcept>

namespace muster::test {

namespace {

std::string joined(const std::vector<std::string>& lines, const char* between) {
  std::string out;
  for (const auto& x : lines)
    out += x + between;
  return out;
}

/// Runs SQL on a journal; returns the first column.
std::vector<std::string> in_journal(const std::filesystem::path& state,
                                    const char* sql) {
  std::vector<std::string> out;
  sqlite3* db = nullptr;
  auto file = (state / "journal.db").string();
  auto add = [](void* to, int, char** columns, char**) {
    static_cast<std::vector<std::string>*>(to)->emplace_back(columns[0]);
    return 0;
  };
  auto done = sqlite3_open(file.c_str(), &db) == SQLITE_OK
              && sqlite3_exec(db, sql, add, &out, nullptr) == SQLITE_OK;
  std::string why = sqlite3_errmsg(db);
  sqlite3_close(db);
  if (!done)
    throw std::runtime_error{file + ": " + why};
  return out;
}

} // namespace

hosts_world::hosts_world(const pool_config& what)
  : in{[] {
      world::settings how;
      how.start = false;
      return how;
    }()} {
  configure(what);
}

void hosts_world::configure(const pool_config& what) const {
  auto folder = in.place.path().string();
  std::ofstream{in.place.config_file()}
    << "concurrent = 20\ncheck_interval = 1\n[muster]\nstate_dir = \""
    << in.place.state().string() << "\"\nhelper_path = \""
    << std::getenv("MUSTER_HELPER_PROGRAM")
    << "\"\n[[runners]]\nname = \"pool\"\nurl = \"" << in.config.url
    << "\"\ntoken = \"" << in.config.token
    << "\"\nexecutor = \"instance\"\nbuilds_dir = \"" << folder
    << "/builds\"\ncache_dir = \"" << folder << "/cache\"\n"
    << joined(what.runner, "\n") << "[runners.muster]\n"
    << joined(what.muster, "\n")
    << "[runners.autoscaler]\nplugin = \"static\"\ncapacity_per_instance = "
    << what.capacity << "\nupdate_interval_when_expecting = \"1s\"\n"
    << joined(what.autoscaler, "\n") << "[runners.autoscaler.plugin_config]\n"
    << (what.hosts.empty() ? ""
                           : "hosts = [\n" + joined(what.hosts, ",\n") + "]\n")
    << joined(what.plugin, "\n") << "[runners.autoscaler.connector_config]\n"
    << joined(what.connector, "\n")
    << "[[runners.autoscaler.policy]]\nidle_count = " << what.idle_count
    << "\nidle_time = \"" << what.idle_time << "\"\n";
}

void hosts_world::forget_jobs() const {
  in_journal(in.place.state(), "DELETE FROM jobs");
}

std::vector<std::string> hosts_world::leftovers() const {
  return in_journal(in.place.state(),
                    "SELECT key FROM leftovers ORDER BY instance, key");
}

command_result hosts_world::muster(std::vector<std::string> arguments) const {
  arguments.insert(arguments.end(),
                   {"--config", in.place.config_file().string()});
  return run_muster(arguments);
}

std::string entry_of(const sshd& host, const std::string& name,
                     const std::string& more) {
  return fmt::format("{{name = \"{}\", address = \"127.0.0.1\", port = {}, "
                     "username = \"{}\", key_path = \"{}\"{}{}}}",
                     name, host.port(), host.user(), host.key_file().string(),
                     more.empty() ? "" : ", ", more);
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

void check_silence(const hosts_world& x) {
  auto log = x.manager().log();
  CHECK_FALSE(has(log, secret_word));
  CHECK_FALSE(has(log, "PRIVATE KEY"));
}

} // namespace muster::test
