#pragma once

#include <httplib.h>
#include <memory>
#include <netinet/in.h>
#include <string>
#include <thread>

/// Servers on loopback, each with a thread of its own that ends with it.

/// An ordinary one. Handlers are set before `start`.
class web_server {
public:
  ~web_server();

  /// Returns its URL.
  std::string start();

  httplib::Server http;

private:
  std::thread thread_;
};

/// Listens; what happens to connections is up to who has it.
class listener {
public:
  explicit listener(int backlog = 16);
  ~listener();

  listener(const listener&) = delete;
  listener& operator=(const listener&) = delete;

  std::string url() const;

protected:
  int socket_ = -1;
  int port_ = 0;
};

/// Answers the first request with these bytes and hangs up.
class raw_server : public listener {
public:
  raw_server(std::string bytes, bool reset);
  ~raw_server();

private:
  std::thread thread_;
};

/// Takes a request and never answers.
class silent_server : public listener {
public:
  silent_server();
  ~silent_server();

  void wait_for_request();

private:
  int connection_ = -1;
  bool has_request_ = false;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::thread thread_;
};

/// Accepts no connection and has no room for further ones.
class full_server : public listener {
public:
  full_server();
  ~full_server();

private:
  std::vector<int> waiting_;
};

/// HTTPS with a certificate of its own for 127.0.0.1; answers 200 to every PUT.
class tls_server {
public:
  tls_server();
  ~tls_server();

  std::string url() const;
  const std::string& certificate_file() const;

private:
  struct impl;
  std::unique_ptr<impl> impl_;
};
