#include "tests/e2e/fleeting/bed.hpp"

#include <cstdlib>
#include <fstream>
#include <stdexcept>
#include <thread>
#include <unistd.h>

namespace muster::test {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using nlohmann::json;

namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr)
    throw std::runtime_error{std::string{name}
                             + " is not set: run this test by `meson test`"};
  return value;
}

std::vector<json> rows_of(const fs::path& file) {
  std::vector<json> out;
  std::ifstream in{file};
  for (std::string line; std::getline(in, line);)
    if (auto row = json::parse(line, nullptr, false); row.is_object())
      out.push_back(row); // the last one may be under way
  return out;
}

} // namespace

bool soon(const std::function<bool()>& what) {
  auto until = std::chrono::steady_clock::now() + 60s;
  while (!what()) {
    if (std::chrono::steady_clock::now() > until)
      return false;
    std::this_thread::sleep_for(5ms);
  }
  return true;
}

bool is_running(pid_t pid) {
  auto stat = read_text("/proc/" + std::to_string(pid) + "/stat");
  auto name_end = stat.rfind(')');
  return name_end != std::string::npos && stat[name_end + 2] != 'Z';
}

plugin_bed::plugin_bed() : path_(make_temp_folder("muster-fleeting")) {
  fs::create_directory(state());
}

plugin_bed::~plugin_bed() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::string plugin_bed::plugin() {
  return variable("MUSTER_TEST_PLUGIN");
}

std::string plugin_bed::script(const std::string& text) const {
  auto file = path_ / "fleeting-plugin-script";
  std::ofstream{file} << "#!/bin/sh\n" << text << "\n";
  fs::permissions(file, fs::perms::owner_all);
  return file;
}

json plugin_bed::config() const {
  auto out = settings;
  out["cloud"] = (path_ / "cloud").string();
  return out;
}

fleeting::group_options plugin_bed::options() const {
  fleeting::group_options out;
  out.plugin.plugin = plugin();
  out.plugin.state_dir = state();
  out.plugin.module_path = variable("MUSTER_FLEETING_MODULE");
  out.config_json = config().dump();
  out.read_key = [](const std::string& path,
                    const secret& passphrase) -> result<secret, provider_errc> {
    auto text = read_text(path);
    if (text.empty())
      return fail(provider_errc::bad_config, "there is no key " + path);
    return secret{passphrase.reveal() + text};
  };
  return out;
}

void plugin_bed::faults(const json& what) const {
  std::ofstream{path_ / "faults.new"} << what;
  fs::rename(path_ / "faults.new", path_ / "cloud.faults");
}

std::vector<std::string> plugin_bed::calls() const {
  std::vector<std::string> out;
  for (const auto& row : rows_of(path_ / "cloud.calls"))
    out.push_back(row["call"]);
  return out;
}

json plugin_bed::with(const std::string& call) const {
  json out;
  for (const auto& row : rows_of(path_ / "cloud.calls"))
    if (row["call"] == call)
      out = row["with"];
  return out;
}

size_t plugin_bed::sockets() const {
  size_t count = 0;
  std::error_code none;
  for (const auto& x : fs::directory_iterator{state() / "plugins", none})
    count += x.is_directory() ? 1 : 0;
  return count;
}

} // namespace muster::test
