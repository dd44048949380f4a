#include "tests/e2e/plan/dumb_git_server.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <httplib.h>
#include <mutex>
#include <sstream>
#include <thread>

namespace muster::test {

namespace {

std::vector<std::string> arguments_with(const std::string& text) {
  std::vector<std::string> result;
  std::error_code ignored;
  for (const auto& entry :
       std::filesystem::directory_iterator{"/proc", ignored}) {
    std::ifstream in{entry.path() / "cmdline"};
    std::ostringstream out;
    out << in.rdbuf();
    auto line = out.str();
    std::replace(line.begin(), line.end(), '\0', ' ');
    if (line.find(text) != std::string::npos)
      result.push_back(line);
  }
  return result;
}

} // namespace

struct dumb_git_server::impl {
  std::unique_ptr<httplib::Server> server;
  std::string authorization;
  std::string password;
  int port = 0;
  std::thread thread;
  mutable std::mutex mutex; // guards what is below
  int served = 0;
  std::vector<std::string> leaks;
  std::vector<std::string> correlation_ids;

  httplib::Server::HandlerResponse look(const httplib::Request& request,
                                        httplib::Response& response) {
    using answer = httplib::Server::HandlerResponse;
    auto found = arguments_with(password);
    std::lock_guard guard{mutex};
    leaks.insert(leaks.end(), found.begin(), found.end());
    if (request.get_header_value("Authorization") != authorization) {
      response.status = 401;
      response.set_header("WWW-Authenticate", "Basic realm=\"test\"");
      return answer::Handled;
    }
    ++served;
    correlation_ids.push_back(
      request.get_header_value("X-Gitaly-Correlation-ID"));
    return answer::Unhandled;
  }
};

dumb_git_server::dumb_git_server(const std::string& folder,
                                 const std::string& user,
                                 const std::string& password,
                                 const std::string& tls_folder)
  : impl_(std::make_unique<impl>()) {
  auto& x = *impl_;
  x.password = password;
  x.authorization
    = httplib::make_basic_authentication_header(user, password).second;
  if (tls_folder.empty())
    x.server = std::make_unique<httplib::Server>();
  else
    x.server = std::make_unique<httplib::SSLServer>(
      (tls_folder + "/cert.pem").c_str(), (tls_folder + "/key.pem").c_str());
  x.server->set_mount_point("/", folder);
  x.server->set_pre_routing_handler([&x](const auto& request, auto& response) {
    return x.look(request, response);
  });
  x.port = x.server->bind_to_any_port("127.0.0.1");
  x.thread = std::thread{[&x] { x.server->listen_after_bind(); }};
  while (!x.server->is_running()) // a stop before that would be lost
    std::this_thread::yield();
}

dumb_git_server::~dumb_git_server() {
  impl_->server->stop();
  impl_->thread.join();
}

std::string dumb_git_server::host() const {
  return "127.0.0.1:" + std::to_string(impl_->port);
}

int dumb_git_server::requests_served() const {
  std::lock_guard guard{impl_->mutex};
  return impl_->served;
}

std::vector<std::string> dumb_git_server::leaks() const {
  std::lock_guard guard{impl_->mutex};
  return impl_->leaks;
}

std::vector<std::string> dumb_git_server::correlation_ids() const {
  std::lock_guard guard{impl_->mutex};
  return impl_->correlation_ids;
}

} // namespace muster::test
