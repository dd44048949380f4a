#include "tests/unit/coordinator/tls_kit.hpp"

#include <arpa/inet.h>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

void add_extension(X509* to, int kind, const char* value) {
  auto* extension = ::X509V3_EXT_conf_nid(nullptr, nullptr, kind, value);
  REQUIRE(extension != nullptr);
  ::X509_add_ext(to, extension, -1);
  ::X509_EXTENSION_free(extension);
}

std::string read_head(int connection) {
  std::string head;
  char c = 0;
  while (!head.ends_with("\r\n\r\n") && ::recv(connection, &c, 1, 0) == 1)
    head += c;
  return head;
}

/// Until one side ends.
void relay(int a, int b) {
  std::array<pollfd, 2> both{pollfd{a, POLLIN, 0}, pollfd{b, POLLIN, 0}};
  std::array<char, 4096> buffer{};
  while (::poll(both.data(), both.size(), -1) > 0)
    for (size_t i = 0; i < both.size(); ++i) {
      if (both[i].revents == 0)
        continue;
      auto size = ::recv(both[i].fd, buffer.data(), buffer.size(), 0);
      if (size <= 0)
        return;
      ::send(both[1 - i].fd, buffer.data(), static_cast<size_t>(size),
             MSG_NOSIGNAL);
    }
}

} // namespace

test_certificate::test_certificate(const certificate_wish& wish,
                                   const test_certificate* by)
  : cert_(::X509_new(), ::X509_free),
    key_(::EVP_EC_gen("P-256"), ::EVP_PKEY_free) {
  static std::atomic<long> serial = 1;
  auto* x = cert_.get();
  ::X509_set_version(x, 2);
  ::ASN1_INTEGER_set(::X509_get_serialNumber(x), ++serial);
  ::X509_gmtime_adj(::X509_getm_notBefore(x), -7200);
  ::X509_gmtime_adj(::X509_getm_notAfter(x), wish.ends_in);
  ::X509_set_pubkey(x, key_.get());
  auto* name = ::X509_get_subject_name(x);
  auto text = by == nullptr    ? "test authority"
              : wish.is_client ? "test client"
                               : "test server";
  ::X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(text), -1,
                               -1, 0);
  ::X509_set_issuer_name(
    x, by == nullptr ? name : ::X509_get_subject_name(by->cert()));
  if (by == nullptr)
    add_extension(x, NID_basic_constraints, "critical,CA:TRUE");
  if (!wish.names.empty())
    add_extension(x, NID_subject_alt_name, wish.names.c_str());
  ::X509_sign(x, by == nullptr ? key_.get() : by->key(), ::EVP_sha256());
  auto form
    = (std::filesystem::temp_directory_path() / "muster-tls-XXXXXX").string();
  REQUIRE(::mkdtemp(form.data()) != nullptr);
  folder_ = form;
  auto* file = std::fopen(cert_file().c_str(), "w");
  ::PEM_write_X509(file, x);
  std::fclose(file);
  file = std::fopen(key_file().c_str(), "w");
  ::PEM_write_PrivateKey(file, key_.get(), nullptr, nullptr, 0, nullptr,
                         nullptr);
  std::fclose(file);
}

test_certificate::~test_certificate() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

std::string test_certificate::cert_file() const {
  return folder_ + "/cert.pem";
}

std::string test_certificate::key_file() const {
  return folder_ + "/key.pem";
}

https_server::https_server(const test_certificate& as, https_settings how) {
  http_ = std::make_unique<httplib::SSLServer>([&](SSL_CTX& context) {
    ::SSL_CTX_use_certificate(&context, as.cert());
    ::SSL_CTX_use_PrivateKey(&context, as.key());
    if (how.version_max != 0) {
      // The distribution's policy forbids the old ones unless asked twice.
      ::SSL_CTX_set_security_level(&context, 0);
      ::SSL_CTX_set_min_proto_version(&context, 0);
      ::SSL_CTX_set_max_proto_version(&context, how.version_max);
    }
    if (how.wants_clients_of != nullptr) {
      ::X509_STORE_add_cert(::SSL_CTX_get_cert_store(&context),
                            how.wants_clients_of->cert());
      ::SSL_CTX_set_verify(
        &context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    }
    return true;
  });
  http_->Put(".*", [this](const httplib::Request& in, httplib::Response&) {
    std::lock_guard lock{mutex_};
    client_.clear();
    if (auto* x
        = in.ssl == nullptr ? nullptr : ::SSL_get1_peer_certificate(in.ssl)) {
      std::array<char, 256> name{};
      ::X509_NAME_get_text_by_NID(::X509_get_subject_name(x), NID_commonName,
                                  name.data(), name.size());
      client_ = name.data();
      ::X509_free(x);
    }
  });
  http_->set_keep_alive_timeout(1);
  port_ = http_->bind_to_any_port("127.0.0.1");
  thread_ = std::thread{[this] { http_->listen_after_bind(); }};
  while (!http_->is_running())
    std::this_thread::yield();
}

https_server::~https_server() {
  http_->stop();
  thread_.join();
}

std::string https_server::url() const {
  return "https://127.0.0.1:" + std::to_string(port_);
}

std::string https_server::client() const {
  std::lock_guard lock{mutex_};
  return client_;
}

ending_server::ending_server(const test_certificate* as) {
  if (as != nullptr) {
    context_ = {::SSL_CTX_new(::TLS_server_method()), ::SSL_CTX_free};
    ::SSL_CTX_use_certificate(context_.get(), as->cert());
    ::SSL_CTX_use_PrivateKey(context_.get(), as->key());
  }
  thread_ = std::thread{[this] {
    for (;;) {
      auto connection = ::accept(socket_, nullptr, nullptr);
      if (connection < 0)
        return;
      serve(connection);
      ::close(connection);
      std::lock_guard lock{mutex_};
      ++ended_;
      changed_.notify_all();
    }
  }};
}

ending_server::~ending_server() {
  ::shutdown(socket_, SHUT_RDWR);
  thread_.join();
}

std::string ending_server::url() const {
  return (context_ ? "https://127.0.0.1:" : "http://127.0.0.1:")
         + std::to_string(port_);
}

void ending_server::wait_for_end(int count) {
  std::unique_lock lock{mutex_};
  REQUIRE(changed_.wait_for(lock, std::chrono::seconds{20},
                            [&] { return ended_ >= count; }));
}

void ending_server::serve(int connection) {
  constexpr std::string_view answer
    = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
  // Otherwise a body that is not read makes the end a reset.
  auto is_whole = [](const std::string& x) {
    auto head = x.find("\r\n\r\n");
    auto length = x.find("Content-Length: ");
    return head != std::string::npos && length < head
           && x.size()
                >= head + 4
                     + std::strtoul(x.c_str() + length + 16, nullptr, 10);
  };
  std::string request;
  std::array<char, 4096> buffer{};
  if (!context_) {
    while (!is_whole(request)) {
      auto size = ::recv(connection, buffer.data(), buffer.size(), 0);
      if (size <= 0)
        return;
      request.append(buffer.data(), static_cast<size_t>(size));
    }
    ::send(connection, answer.data(), answer.size(), MSG_NOSIGNAL);
    return;
  }
  std::unique_ptr<SSL, decltype(&::SSL_free)> tls{::SSL_new(context_.get()),
                                                  ::SSL_free};
  ::SSL_set_fd(tls.get(), connection);
  if (::SSL_accept(tls.get()) != 1)
    return;
  while (!is_whole(request)) {
    auto size = ::SSL_read(tls.get(), buffer.data(), buffer.size());
    if (size <= 0)
      return;
    request.append(buffer.data(), static_cast<size_t>(size));
  }
  ::SSL_write(tls.get(), answer.data(), answer.size());
  ::SSL_shutdown(tls.get());
}

connect_proxy::connect_proxy(std::string answer) : answer_(std::move(answer)) {
  thread_ = std::thread{[this] {
    for (;;) {
      auto connection = ::accept(socket_, nullptr, nullptr);
      if (connection < 0)
        return;
      std::lock_guard lock{mutex_};
      open_.push_back(connection);
      relays_.emplace_back([this, connection] { serve(connection); });
    }
  }};
}

connect_proxy::~connect_proxy() {
  ::shutdown(socket_, SHUT_RDWR);
  thread_.join();
  {
    std::lock_guard lock{mutex_};
    for (auto connection : open_)
      ::shutdown(connection, SHUT_RDWR);
  }
  for (auto& relay : relays_)
    relay.join();
  for (auto connection : open_)
    ::close(connection);
}

std::vector<std::string> connect_proxy::heads() const {
  std::lock_guard lock{mutex_};
  return heads_;
}

void connect_proxy::serve(int connection) {
  auto head = read_head(connection);
  {
    std::lock_guard lock{mutex_};
    heads_.push_back(head);
  }
  auto answer = answer_ + "\r\nContent-Length: 0\r\n\r\n";
  if (answer_.find(" 200") != std::string::npos)
    answer = answer_ + "\r\n\r\n";
  ::send(connection, answer.data(), answer.size(), MSG_NOSIGNAL);
  auto colon = head.find(':');
  if (answer_.find(" 200") == std::string::npos || colon == std::string::npos) {
    ::shutdown(connection, SHUT_RDWR);
    return;
  }
  // The last colon of the first line: an IPv6 host has more of them.
  colon = head.substr(0, head.find(" HTTP")).rfind(':');
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port
    = ::htons(static_cast<uint16_t>(std::atoi(head.c_str() + colon + 1)));
  to.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
  auto onward = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::connect(onward, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0)
    relay(connection, onward);
  ::close(onward);
  ::shutdown(connection, SHUT_RDWR);
}
