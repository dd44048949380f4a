#include "tests/e2e/helper_commands/store.hpp"

#include <doctest/doctest.h>
#include <utility>

namespace muster::test {

namespace {

constexpr const char* loopback = "127.0.0.1";

/// Forms are taken apart here, since the library keeps the whole of them in
/// memory.
void take_form(seen_request& request) {
  auto type = request.header("Content-Type");
  auto at = type.find("boundary=");
  if (at == std::string::npos)
    return;
  auto between = "--" + type.substr(at + 9);
  auto name = request.body.find("filename=\"");
  auto begin = request.body.find("\r\n\r\n");
  auto end = request.body.rfind("\r\n" + between + "--");
  if (name == std::string::npos || begin == std::string::npos
      || end == std::string::npos || !request.body.starts_with(between))
    return;
  name += 10;
  request.file_name
    = request.body.substr(name, request.body.find("\"\r\n", name) - name);
  request.body = request.body.substr(begin + 4, end - begin - 4);
}

} // namespace

std::string seen_request::header(const std::string& name) const {
  auto found = headers.find(name);
  return found == headers.end() ? "" : found->second;
}

store::store() : server_(std::make_unique<httplib::Server>()) {
  serve();
}

store::store(const tls_files& files)
  : server_(std::make_unique<httplib::SSLServer>(
    files.certificate.c_str(), files.key.c_str(),
    files.client_authority.empty() ? nullptr : files.client_authority.c_str())),
    tls_(true) {
  serve();
}

store::~store() {
  server_->stop();
  thread_.join();
}

std::string store::url() const {
  return std::string{tls_ ? "https" : "http"} + "://" + loopback + ":"
         + std::to_string(port_);
}

void store::on_request(handler what) {
  std::lock_guard lock{mutex_};
  handler_ = std::move(what);
}

void store::fail_first(std::vector<int> statuses) {
  std::lock_guard lock{mutex_};
  failures_ = std::move(statuses);
}

std::vector<seen_request> store::seen() const {
  std::lock_guard lock{mutex_};
  return seen_;
}

void store::serve() {
  REQUIRE(server_->is_valid());
  server_->set_keep_alive_timeout(1);
  auto begin = [](const httplib::Request& from) {
    seen_request request;
    request.method = from.method;
    request.path = from.target;
    request.headers = from.headers;
    return request;
  };
  auto without_body
    = [this, begin](const httplib::Request& from, httplib::Response& to) {
        answer(begin(from), to);
      };
  auto with_body
    = [this, begin](const httplib::Request& from, httplib::Response& to,
                    const httplib::ContentReader& read) {
        auto request = begin(from);
        auto take = [this, &request](const char* data, size_t size) {
          request.body_bytes += size;
          if (!count_only_)
            request.body.append(data, size);
          return true;
        };
        // As it is, also of a form.
        const_cast<httplib::Request&>(from).headers.erase("Content-Type");
        read(take);
        take_form(request);
        answer(std::move(request), to);
      };
  server_->Get(".*", without_body);
  server_->Post(".*", with_body);
  server_->Put(".*", with_body);
  port_ = server_->bind_to_any_port(loopback);
  REQUIRE_GT(port_, 0);
  thread_ = std::thread{[this] { server_->listen_after_bind(); }};
  while (!server_->is_running())
    std::this_thread::yield();
}

void store::answer(seen_request request, httplib::Response& to) {
  std::lock_guard lock{mutex_};
  seen_.push_back(std::move(request));
  if (!failures_.empty()) {
    to.status = failures_.front();
    failures_.erase(failures_.begin());
  } else if (handler_) {
    handler_(seen_.back(), to);
  } else {
    to.status = seen_.back().method == "POST" ? 201 : 200;
  }
}

} // namespace muster::test
