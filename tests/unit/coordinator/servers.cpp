#include "tests/unit/coordinator/servers.hpp"

#include <arpa/inet.h>
#include <cstdio>
#include <cstdlib>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

namespace {

void wait_until_running(const httplib::Server& server) {
  while (!server.is_running())
    std::this_thread::yield();
}

/// Reads until the empty line after the headers.
bool read_head(int connection) {
  std::string head;
  char buffer[4096];
  while (head.find("\r\n\r\n") == head.npos) {
    auto n = ::recv(connection, buffer, sizeof(buffer), 0);
    if (n <= 0)
      return false;
    head.append(buffer, static_cast<size_t>(n));
  }
  return true;
}

/// A certificate that signs itself, with its key.
std::pair<X509*, EVP_PKEY*> make_certificate() {
  auto* key = ::EVP_EC_gen("P-256");
  auto* certificate = ::X509_new();
  ::X509_set_version(certificate, 2);
  ::ASN1_INTEGER_set(::X509_get_serialNumber(certificate), 1);
  ::X509_gmtime_adj(::X509_getm_notBefore(certificate), -3600);
  ::X509_gmtime_adj(::X509_getm_notAfter(certificate), 3600);
  ::X509_set_pubkey(certificate, key);
  auto* name = ::X509_get_subject_name(certificate);
  ::X509_NAME_add_entry_by_txt(
    name, "CN", MBSTRING_ASC,
    reinterpret_cast<const unsigned char*>("127.0.0.1"), -1, -1, 0);
  ::X509_set_issuer_name(certificate, name);
  auto* names = ::X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name,
                                      "IP:127.0.0.1");
  ::X509_add_ext(certificate, names, -1);
  ::X509_EXTENSION_free(names);
  ::X509_sign(certificate, key, ::EVP_sha256());
  return {certificate, key};
}

} // namespace

web_server::~web_server() {
  http.stop();
  if (thread_.joinable())
    thread_.join();
}

std::string web_server::start() {
  http.set_keep_alive_timeout(1);
  http.set_tcp_nodelay(true);
  auto port = http.bind_to_any_port("127.0.0.1");
  thread_ = std::thread{[this] { http.listen_after_bind(); }};
  wait_until_running(http);
  return "http://127.0.0.1:" + std::to_string(port);
}

listener::listener(int backlog) {
  socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  REQUIRE_EQ(::bind(socket_, generic, size), 0);
  REQUIRE_EQ(::listen(socket_, backlog), 0);
  REQUIRE_EQ(::getsockname(socket_, generic, &size), 0);
  port_ = ::ntohs(address.sin_port);
}

listener::~listener() {
  ::close(socket_);
}

std::string listener::url() const {
  return "http://127.0.0.1:" + std::to_string(port_);
}

raw_server::raw_server(std::string bytes, bool reset) {
  thread_ = std::thread{[this, bytes = std::move(bytes), reset] {
    auto connection = ::accept(socket_, nullptr, nullptr);
    if (connection < 0)
      return;
    read_head(connection);
    ::send(connection, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (reset) {
      const linger at_once{1, 0};
      ::setsockopt(connection, SOL_SOCKET, SO_LINGER, &at_once,
                   sizeof(at_once));
    }
    ::close(connection);
  }};
}

raw_server::~raw_server() {
  ::shutdown(socket_, SHUT_RDWR);
  thread_.join();
}

silent_server::silent_server() {
  thread_ = std::thread{[this] {
    auto connection = ::accept(socket_, nullptr, nullptr);
    if (connection < 0)
      return;
    auto has_request = read_head(connection);
    std::lock_guard lock{mutex_};
    connection_ = connection;
    has_request_ = has_request;
    changed_.notify_all();
  }};
}

silent_server::~silent_server() {
  ::shutdown(socket_, SHUT_RDWR);
  thread_.join();
  ::close(connection_);
}

void silent_server::wait_for_request() {
  std::unique_lock lock{mutex_};
  REQUIRE(changed_.wait_for(lock, std::chrono::seconds{20},
                            [this] { return has_request_; }));
}

full_server::full_server() : listener(0) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = ::htons(static_cast<uint16_t>(port_));
  address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
  for (auto i = 0; i < 4; ++i) {
    auto filler
      = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    // The answer does not matter: one connection fills the backlog of 0.
    static_cast<void>(::connect(filler, reinterpret_cast<sockaddr*>(&address),
                                sizeof(address)));
    waiting_.push_back(filler);
  }
}

full_server::~full_server() {
  for (auto filler : waiting_)
    ::close(filler);
}

struct tls_server::impl {
  impl() : impl(make_certificate()) {
  }

  explicit impl(std::pair<X509*, EVP_PKEY*> made)
    : certificate(made.first),
      key(made.second),
      http(certificate, key) {
    std::string form = "/tmp/muster-certificate.XXXXXX";
    auto file = ::mkostemp(form.data(), O_CLOEXEC);
    REQUIRE_GE(file, 0);
    auto* out = ::fdopen(file, "w");
    ::PEM_write_X509(out, certificate);
    ::fclose(out);
    path = form;
    http.Put(".*", [](const httplib::Request&, httplib::Response&) {});
    http.set_keep_alive_timeout(1);
    port = http.bind_to_any_port("127.0.0.1");
    thread = std::thread{[this] { http.listen_after_bind(); }};
    wait_until_running(http);
  }

  ~impl() {
    http.stop();
    thread.join();
    ::unlink(path.c_str());
    ::X509_free(certificate);
    ::EVP_PKEY_free(key);
  }

  X509* certificate;
  EVP_PKEY* key;
  httplib::SSLServer http;
  std::string path;
  int port = 0;
  std::thread thread;
};

tls_server::tls_server() : impl_(std::make_unique<impl>()) {
}

tls_server::~tls_server() = default;

std::string tls_server::url() const {
  return "https://127.0.0.1:" + std::to_string(impl_->port);
}

const std::string& tls_server::certificate_file() const {
  return impl_->path;
}
