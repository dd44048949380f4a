#include "executors/helper/http/connection.hpp"

#include "executors/helper/http/response.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nss.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>

namespace muster::helper {

namespace {

using std::chrono::steady_clock;

/// Where distributions keep the certificates that they trust.
constexpr const char* system_files[]
  = {"/etc/ssl/certs/ca-certificates.crt",
     "/etc/pki/tls/certs/ca-bundle.crt",
     "/etc/ssl/ca-bundle.pem",
     "/etc/pki/tls/cacert.pem",
     "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
     "/etc/ssl/cert.pem"};
constexpr const char* system_folders[]
  = {"/etc/ssl/certs", "/etc/pki/tls/certs"};

tl::unexpected<failure<transfer_errc>> no_answer(std::string text) {
  return fail(transfer_errc::no_answer, std::move(text));
}

/// The first reason that OpenSSL noted.
std::string tls_reason() {
  auto code = ::ERR_get_error();
  ::ERR_clear_error();
  if (code == 0)
    return "no reason given";
  const char* reason = ::ERR_reason_error_string(code);
  return reason != nullptr ? reason : "error " + std::to_string(code);
}

bool is_there(const std::string& path) {
  return !path.empty() && ::access(path.c_str(), F_OK) == 0;
}

void trust_system(SSL_CTX* context) {
  const char* file = std::getenv("SSL_CERT_FILE");
  const char* folder = std::getenv("SSL_CERT_DIR");
  bool found = false;
  if (file != nullptr)
    found = ::SSL_CTX_load_verify_file(context, file) == 1;
  for (const auto* path : system_files)
    found = found
            || (file == nullptr && is_there(path)
                && ::SSL_CTX_load_verify_file(context, path) == 1);
  if (folder != nullptr)
    ::SSL_CTX_load_verify_dir(context, folder);
  else if (!found)
    for (const auto* path : system_folders)
      ::SSL_CTX_load_verify_dir(context, path);
  ::ERR_clear_error();
}

int left_until(deadline until) {
  auto left
    = std::chrono::ceil<std::chrono::milliseconds>(until - steady_clock::now());
  return static_cast<int>(
    std::clamp<int64_t>(left.count(), 0, 24ll * 3600 * 1000));
}

struct addresses {
  addrinfo* list = nullptr;

  addresses() = default;
  addresses(const addresses&) = delete;
  addresses& operator=(const addresses&) = delete;

  ~addresses() {
    if (list != nullptr)
      ::freeaddrinfo(list);
  }
};

/// Connects to one address; returns an invalid descriptor and sets errno if
/// that does not work.
unique_fd connect_one(const addrinfo& to, deadline until) {
  unique_fd fd{::socket(to.ai_family,
                        to.ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
                        to.ai_protocol)};
  if (!fd)
    return fd;
  if (::connect(fd.get(), to.ai_addr, to.ai_addrlen) == 0)
    return fd;
  if (errno != EINPROGRESS)
    return {};
  pollfd ready{fd.get(), POLLOUT, 0};
  int n = 0;
  do
    n = ::poll(&ready, 1, left_until(until));
  while (n < 0 && errno == EINTR);
  int error = n == 0 ? ETIMEDOUT : 0;
  socklen_t size = sizeof(error);
  if (n > 0)
    ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size);
  if (error == 0)
    return fd;
  errno = error;
  return {};
}

void set_options(int fd) {
  int on = 1;
  int idle_s = 30;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  ::setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
  ::setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &idle_s, sizeof(idle_s));
}

result<unique_fd, transfer_errc> connect_any(const url& to, deadline until) {
  // A static program must not load the modules that nsswitch.conf may name
  // (resolve, mymachines, sss): they belong to the host's own C library.
  ::__nss_configure_lookup("hosts", "files dns");
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICSERV;
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addresses found;
  auto port = std::to_string(to.port);
  auto code = ::getaddrinfo(to.host.c_str(), port.c_str(), &hints, &found.list);
  if (code != 0)
    return no_answer("the name " + to.host
                     + " cannot be resolved: " + ::gai_strerror(code));
  int error = 0;
  for (auto* x = found.list; x != nullptr; x = x->ai_next) {
    // An address that swallows packets must leave time for the next one.
    auto left = until - steady_clock::now();
    auto part = x->ai_next != nullptr ? left / 2 : left;
    if (auto fd = connect_one(*x, steady_clock::now() + part); fd) {
      set_options(fd.get());
      return fd;
    }
    error = errno;
  }
  return no_answer("cannot connect to " + authority(to) + ": "
                   + std::strerror(error));
}

} // namespace

result<tls_context, transfer_errc> tls_context::make(const tls_settings& from) {
  tls_context made;
  made.advice_ = from.advice;
  made.context_ = std::shared_ptr<SSL_CTX>(::SSL_CTX_new(::TLS_client_method()),
                                           ::SSL_CTX_free);
  auto* context = made.get();
  if (context == nullptr)
    return fail(transfer_errc::hopeless, "TLS cannot be used: " + tls_reason());
  ::SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  ::SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  ::SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE
                                | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER
                                | SSL_MODE_RELEASE_BUFFERS);
  trust_system(context);
  if (is_there(from.ca_file)
      && ::SSL_CTX_load_verify_file(context, from.ca_file.c_str()) != 1)
    return fail(transfer_errc::hopeless,
                "the CA file " + from.ca_file
                  + " cannot be used: " + tls_reason());
  if (from.cert_file.empty() || from.key_file.empty())
    return made;
  if (::SSL_CTX_use_certificate_chain_file(context, from.cert_file.c_str()) != 1
      || ::SSL_CTX_use_PrivateKey_file(context, from.key_file.c_str(),
                                       SSL_FILETYPE_PEM)
           != 1)
    return fail(transfer_errc::hopeless,
                "the client certificate " + from.cert_file + " with the key "
                  + from.key_file + " cannot be used: " + tls_reason());
  return made;
}

void connection_to::ssl_deleter::operator()(SSL* ssl) const {
  ::SSL_free(ssl);
}

result<connection_to, transfer_errc>
connection_to::dial(const url& to, const tls_context* tls,
                    const dial_options& options, deadline until) {
  connection_to made;
  made.peer_ = authority(to);
  auto at = to;
  std::string authorization;
  auto proxy = proxy_for(to, options.variable);
  if (proxy) {
    auto parsed = parse_url(*proxy);
    if (!parsed || parsed->tls)
      return fail(transfer_errc::hopeless,
                  "the proxy for " + made.peer_
                    + " cannot be used: only http://[user:password@]host:port "
                      "in HTTP_PROXY and HTTPS_PROXY is supported");
    at = *parsed;
    if (!at.user.empty())
      authorization = "Basic " + base64_of(at.user + ":" + at.password);
  }
  auto fd
    = connect_any(at, std::min(until, steady_clock::now() + options.connect));
  if (!fd && proxy)
    return fail(fd.error().code, "the proxy: " + fd.error().text);
  if (!fd)
    return tl::unexpected{fd.error()};
  made.fd_ = std::move(*fd);
  if (!to.tls) {
    made.plain_proxy_ = proxy.has_value();
    made.proxy_authorization_ = authorization;
    return made;
  }
  if (proxy)
    if (auto opened
        = made.tunnel(to, authorization,
                      std::min(until, steady_clock::now() + options.connect));
        !opened)
      return tl::unexpected{opened.error()};
  auto started = made.start_tls(
    to, *tls, std::min(until, steady_clock::now() + options.handshake));
  if (!started)
    return tl::unexpected{started.error()};
  return made;
}

result<void, transfer_errc>
connection_to::tunnel(const url& to, const std::string& authorization,
                      deadline until) {
  auto host = authority(to);
  if (to.port == 443)
    host += ":443";
  auto request = "CONNECT " + host + " HTTP/1.1\r\nHost: " + host + "\r\n";
  if (!authorization.empty())
    request += "Proxy-Authorization: " + authorization + "\r\n";
  if (auto sent = write(request + "\r\n", until); !sent)
    return sent;
  response_reader answer{response_reader::body::none};
  auto head = answer.read_head([this, until](char* at, size_t size) {
    return read(at, std::min<size_t>(size, 1), until); // what follows is TLS
  });
  if (!head)
    return fail(head.error().code, "the proxy: " + head.error().text);
  if (head->status / 100 != 2)
    return no_answer("the proxy refuses a connection to " + host + ": "
                     + head->status_line());
  return {};
}

result<void, transfer_errc> connection_to::start_tls(const url& to,
                                                     const tls_context& tls,
                                                     deadline until) {
  ssl_.reset(::SSL_new(tls.get()));
  if (!ssl_ || ::SSL_set_fd(ssl_.get(), fd_.get()) != 1)
    return fail(transfer_errc::hopeless, "TLS cannot be used: " + tls_reason());
  auto* verify = ::SSL_get0_param(ssl_.get());
  unsigned char bytes[16];
  if (::inet_pton(AF_INET, to.host.c_str(), bytes) == 1
      || ::inet_pton(AF_INET6, to.host.c_str(), bytes) == 1) {
    ::X509_VERIFY_PARAM_set1_ip_asc(verify, to.host.c_str());
  } else {
    ::SSL_set_tlsext_host_name(ssl_.get(), to.host.c_str());
    ::SSL_set1_host(ssl_.get(), to.host.c_str());
  }
  for (;;) {
    ::ERR_clear_error();
    auto state = ::SSL_connect(ssl_.get());
    if (state == 1)
      return {};
    auto verified = ::SSL_get_verify_result(ssl_.get());
    if (verified != X509_V_OK)
      return no_answer("the certificate of " + peer_ + " is not trusted: "
                       + ::X509_verify_cert_error_string(verified) + "; "
                       + tls.advice());
    if (auto ready = wait_tls(state, until, "the TLS handshake with"); !ready)
      return ready;
  }
}

result<void, transfer_errc> connection_to::wait(short events,
                                                deadline until) const {
  pollfd ready{fd_.get(), events, 0};
  for (;;) {
    auto n = ::poll(&ready, 1, left_until(until));
    if (n > 0)
      return {};
    if (n == 0)
      return no_answer("timed out waiting for " + peer_);
    if (errno != EINTR)
      return no_answer(std::string{"poll: "} + std::strerror(errno));
  }
}

/// A server that has answered may take nothing more: who only waited for room
/// would wait for ever. What it said is still there to be read.
result<void, transfer_errc> connection_to::wait_for_room(deadline until) {
  for (;;) {
    pollfd ready{fd_.get(), POLLOUT | POLLIN, 0};
    auto n = ::poll(&ready, 1, left_until(until));
    if (n == 0)
      return no_answer("timed out waiting for " + peer_);
    if (n < 0 && errno != EINTR)
      return no_answer(std::string{"poll: "} + std::strerror(errno));
    if (n < 0)
      continue;
    if ((ready.revents & ~POLLIN) != 0)
      return {};
    if (has_input())
      return no_answer(peer_ + " answered before it had taken everything");
  }
}

result<void, transfer_errc> connection_to::wait_tls(int state, deadline until,
                                                    const char* doing) {
  auto error = errno;
  auto kind = ::SSL_get_error(ssl_.get(), state);
  if (kind == SSL_ERROR_WANT_READ)
    return wait(POLLIN, until);
  if (kind == SSL_ERROR_WANT_WRITE)
    return wait_for_room(until);
  auto why = kind == SSL_ERROR_SYSCALL && error != 0 ? std::strerror(error)
                                                     : tls_reason();
  return no_answer(std::string{doing} + " " + peer_ + " failed: " + why);
}

result<size_t, transfer_errc> connection_to::read(char* to, size_t size,
                                                  deadline until) {
  for (;;) {
    if (ssl_) {
      ::ERR_clear_error();
      errno = 0;
      auto n = ::SSL_read(ssl_.get(), to, static_cast<int>(size));
      if (n > 0)
        return static_cast<size_t>(n);
      if (::SSL_get_error(ssl_.get(), n) == SSL_ERROR_ZERO_RETURN)
        return size_t{0};
      if (auto ready = wait_tls(n, until, "reading from"); !ready)
        return tl::unexpected{ready.error()};
      continue;
    }
    auto n = ::recv(fd_.get(), to, size, 0);
    if (n >= 0)
      return static_cast<size_t>(n);
    if (errno == EAGAIN) {
      if (auto ready = wait(POLLIN, until); !ready)
        return tl::unexpected{ready.error()};
    } else if (errno != EINTR) {
      return no_answer("reading from " + peer_
                       + " failed: " + std::strerror(errno));
    }
  }
}

result<void, transfer_errc> connection_to::write(std::string_view bytes,
                                                 deadline until) {
  while (!bytes.empty()) {
    if (ssl_) {
      ::ERR_clear_error();
      errno = 0;
      auto n = ::SSL_write(
        ssl_.get(), bytes.data(),
        static_cast<int>(std::min<size_t>(bytes.size(), 1u << 20)));
      if (n > 0)
        bytes.remove_prefix(static_cast<size_t>(n));
      else if (auto ready = wait_tls(n, until, "writing to"); !ready)
        return ready;
      continue;
    }
    auto n = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n >= 0) {
      bytes.remove_prefix(static_cast<size_t>(n));
    } else if (errno == EAGAIN) {
      if (auto ready = wait_for_room(until); !ready)
        return ready;
    } else if (errno != EINTR) {
      return no_answer("writing to " + peer_
                       + " failed: " + std::strerror(errno));
    }
  }
  return {};
}

/// With TLS there may be records that are no data (tickets): these are taken.
bool connection_to::has_input() {
  if (ssl_) {
    char first = 0;
    ::ERR_clear_error();
    auto n = ::SSL_peek(ssl_.get(), &first, 1);
    auto kind = ::SSL_get_error(ssl_.get(), n);
    return kind != SSL_ERROR_WANT_READ && kind != SSL_ERROR_WANT_WRITE;
  }
  pollfd ready{fd_.get(), POLLIN, 0};
  return ::poll(&ready, 1, 0) > 0;
}

} // namespace muster::helper
