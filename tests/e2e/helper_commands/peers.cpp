#include "tests/e2e/helper_commands/peers.hpp"

#include <arpa/inet.h>
#include <cstdio>
#include <doctest/doctest.h>
#include <memory>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace muster::test {

namespace {

using key_ptr = std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)>;
using certificate_ptr = std::unique_ptr<X509, void (*)(X509*)>;

key_ptr make_key() {
  return {::EVP_EC_gen("P-256"), ::EVP_PKEY_free};
}

certificate_ptr make_certificate(const char* name, const char* names,
                                 EVP_PKEY* key, X509* issuer,
                                 EVP_PKEY* issuer_key) {
  static int serial = 0;
  certificate_ptr made{::X509_new(), ::X509_free};
  ::X509_set_version(made.get(), 2);
  ::ASN1_INTEGER_set(::X509_get_serialNumber(made.get()), ++serial);
  ::X509_gmtime_adj(::X509_getm_notBefore(made.get()), -3600);
  ::X509_gmtime_adj(::X509_getm_notAfter(made.get()), 3600);
  ::X509_set_pubkey(made.get(), key);
  auto* subject = ::X509_get_subject_name(made.get());
  ::X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(name), -1,
                               -1, 0);
  ::X509_set_issuer_name(
    made.get(), issuer != nullptr ? ::X509_get_subject_name(issuer) : subject);
  auto add = [&made](int kind, const char* value) {
    auto* extension = ::X509V3_EXT_conf_nid(nullptr, nullptr, kind, value);
    ::X509_add_ext(made.get(), extension, -1);
    ::X509_EXTENSION_free(extension);
  };
  if (issuer == nullptr)
    add(NID_basic_constraints, "critical,CA:TRUE");
  if (names != nullptr)
    add(NID_subject_alt_name, names);
  REQUIRE_GT(::X509_sign(made.get(), issuer_key, ::EVP_sha256()), 0);
  return made;
}

void save(const std::string& path, X509* certificate) {
  auto* file = std::fopen(path.c_str(), "w");
  REQUIRE(file != nullptr);
  ::PEM_write_X509(file, certificate);
  std::fclose(file);
}

void save(const std::string& path, EVP_PKEY* key) {
  auto* file = std::fopen(path.c_str(), "w");
  REQUIRE(file != nullptr);
  ::PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
  std::fclose(file);
}

} // namespace

void make_certificates(const std::string& folder) {
  auto ca_key = make_key();
  auto ca = make_certificate("test authority", nullptr, ca_key.get(), nullptr,
                             ca_key.get());
  save(folder + "/ca.pem", ca.get());
  auto key = make_key();
  save(folder + "/server.pem",
       make_certificate("server", "IP:127.0.0.1,DNS:gitlab.example", key.get(),
                        ca.get(), ca_key.get())
         .get());
  save(folder + "/server.key", key.get());
  auto client_key = make_key();
  save(folder + "/client.pem",
       make_certificate("client", nullptr, client_key.get(), ca.get(),
                        ca_key.get())
         .get());
  save(folder + "/client.key", client_key.get());
}

peer_script::peer_script(treatment what, const std::string& address)
  : what_(std::move(what)) {
  auto v6 = address.find(':') != std::string::npos;
  host_ = v6 ? "[" + address + "]" : address;
  listener_.reset(
    ::socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in6 six{};
  six.sin6_family = AF_INET6;
  ::inet_pton(AF_INET6, address.c_str(), &six.sin6_addr);
  sockaddr_in four{};
  four.sin_family = AF_INET;
  ::inet_pton(AF_INET, address.c_str(), &four.sin_addr);
  auto* at = v6 ? reinterpret_cast<sockaddr*>(&six)
                : reinterpret_cast<sockaddr*>(&four);
  socklen_t size = v6 ? sizeof(six) : sizeof(four);
  REQUIRE_EQ(::bind(listener_.get(), at, size), 0);
  REQUIRE_EQ(::listen(listener_.get(), 16), 0);
  REQUIRE_EQ(::getsockname(listener_.get(), at, &size), 0);
  port_ = ntohs(v6 ? six.sin6_port : four.sin_port);
  acceptor_ = std::thread{[this] {
    for (;;) {
      int connection
        = ::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
      if (connection < 0)
        return;
      std::lock_guard lock{mutex_};
      ++connections_;
      open_.push_back(connection);
      threads_.emplace_back([this, connection] {
        what_(connection);
        ::shutdown(connection, SHUT_RDWR);
      });
    }
  }};
}

peer_script::~peer_script() {
  ::shutdown(listener_.get(), SHUT_RDWR);
  acceptor_.join();
  for (int connection : open_)
    ::shutdown(connection, SHUT_RDWR);
  for (auto& thread : threads_)
    thread.join();
  for (int connection : open_)
    ::close(connection);
}

std::string peer_script::url() const {
  return "http://" + host_ + ":" + std::to_string(port_);
}

size_t peer_script::connections() const {
  std::lock_guard lock{mutex_};
  return connections_;
}

bool has_ipv6() {
  helper::unique_fd fd{::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  sockaddr_in6 at{};
  at.sin6_family = AF_INET6;
  at.sin6_addr = in6addr_loopback;
  return fd
         && ::bind(fd.get(), reinterpret_cast<sockaddr*>(&at), sizeof(at)) == 0;
}

std::string read_head(int connection) {
  std::string text;
  char c = 0;
  while (!text.ends_with("\r\n\r\n"))
    if (::recv(connection, &c, 1, 0) == 1)
      text += c;
    else
      return "";
  return text;
}

void write_text(int connection, const std::string& text) {
  for (size_t done = 0; done < text.size();) {
    auto n = ::send(connection, text.data() + done, text.size() - done,
                    MSG_NOSIGNAL);
    if (n <= 0)
      return;
    done += static_cast<size_t>(n);
  }
}

void read_to_end(int connection) {
  char piece[65536];
  while (::recv(connection, piece, sizeof(piece), 0) > 0)
    ;
}

void relay_to(int connection, int port) {
  helper::unique_fd other{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  to.sin_port = htons(static_cast<uint16_t>(port));
  if (::connect(other.get(), reinterpret_cast<sockaddr*>(&to), sizeof(to)) != 0)
    return;
  int ends[2] = {connection, other.get()};
  char piece[65536];
  for (;;) {
    pollfd ready[2] = {{ends[0], POLLIN, 0}, {ends[1], POLLIN, 0}};
    if (::poll(ready, 2, -1) <= 0)
      return;
    for (int i = 0; i < 2; ++i)
      if (ready[i].revents != 0) {
        auto n = ::recv(ends[i], piece, sizeof(piece), 0);
        if (n <= 0)
          return;
        write_text(ends[1 - i], {piece, static_cast<size_t>(n)});
      }
  }
}

} // namespace muster::test
