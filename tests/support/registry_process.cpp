#include "tests/support/registry_process.hpp"

#include "executors/cache/digest.hpp"

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <fstream>
#include <httplib.h>
#include <sstream>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace muster::test {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using nlohmann::json;

namespace {

constexpr auto start_time = 60s;

/// Of `registry_process::password`, with little work to check it.
constexpr auto password_hash
  = "$2b$04$woi2k4x6xxZVle/M9sQCRezGrlv81kPQpKDD7gN/KgGSLDCN9LMxq";

std::string text_of(const fs::path& file) {
  std::ostringstream out;
  out << std::ifstream{file, std::ios::binary}.rdbuf();
  return out.str();
}

httplib::Client client_of(int port) {
  httplib::Client out{"127.0.0.1", port};
  out.set_read_timeout(60);
  out.set_basic_auth(registry_process::user, registry_process::password);
  return out;
}

pid_t start_program(const std::string& config, const std::string& log) {
  auto pid = ::fork();
  REQUIRE_GE(pid, 0);
  if (pid > 0)
    return pid;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  int to = ::open(log.c_str(), O_WRONLY | O_CREAT, 0600);
  ::dup2(to, 1);
  ::dup2(to, 2);
  ::execlp("docker-registry", "docker-registry", "serve", config.c_str(),
           nullptr);
  ::_exit(127);
}

} // namespace

std::string digest_text(const std::string& bytes) {
  return "sha256:" + hex_of(sha256(bytes));
}

json descriptor_json(const std::string& media_type, const std::string& bytes) {
  return {{"mediaType", media_type},
          {"digest", digest_text(bytes)},
          {"size", bytes.size()}};
}

registry_process::registry_process(bool closed) {
  char folder[] = "/tmp/muster-registry-XXXXXX";
  REQUIRE_NE(::mkdtemp(folder), nullptr);
  path_ = folder;
  std::ofstream config{path_ / "config.yml"};
  config << "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: "
         << folder << "/data\nhttp:\n  addr: 127.0.0.1:0\n";
  if (closed)
    config << "auth:\n  htpasswd:\n    realm: test\n    path: " << folder
           << "/htpasswd\n";
  config.close();
  std::ofstream{path_ / "htpasswd"} << user << ":" << password_hash << "\n";
  auto log = path_ / "log";
  pid_ = start_program((path_ / "config.yml").string(), log.string());
  const std::string said = "listening on 127.0.0.1:";
  auto until = std::chrono::steady_clock::now() + start_time;
  auto text = text_of(log);
  for (; text.find(said) == std::string::npos; text = text_of(log)) {
    REQUIRE_MESSAGE(std::chrono::steady_clock::now() < until,
                    "Debian's docker-registry did not start: ", text);
    std::this_thread::sleep_for(5ms);
  }
  port_ = std::atoi(text.c_str() + text.find(said) + said.size());
}

registry_process::~registry_process() {
  stop();
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

void registry_process::send(int signal) const {
  if (pid_ > 0)
    ::kill(pid_, signal);
}

void registry_process::stop() {
  if (pid_ < 0)
    return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

std::string registry_process::name() const {
  return "127.0.0.1:" + std::to_string(port_);
}

void registry_process::push_blob(const std::string& repository,
                                 const std::string& bytes) const {
  auto client = client_of(port_);
  auto begun = client.Post("/v2/" + repository + "/blobs/uploads/");
  REQUIRE(begun);
  REQUIRE_EQ(begun->status, 202);
  auto to = begun->get_header_value("Location");
  to.erase(0, to.find("/v2/"));
  to += (to.find('?') == std::string::npos ? "?digest=" : "&digest=")
        + digest_text(bytes);
  auto put = client.Put(to, bytes, "application/octet-stream");
  REQUIRE(put);
  REQUIRE_EQ(put->status, 201);
}

void registry_process::push_manifest(const std::string& repository,
                                     const std::string& name,
                                     const json& what) const {
  auto put
    = client_of(port_).Put("/v2/" + repository + "/manifests/" + name,
                           what.dump(), what["mediaType"].get<std::string>());
  REQUIRE(put);
  REQUIRE_MESSAGE(put->status == 201, put->body);
}

} // namespace muster::test
