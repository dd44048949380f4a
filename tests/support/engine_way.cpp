#include "tests/support/engine_way.hpp"

#include "executors/local/engine_bridge.hpp"
#include "executors/ssh/reactor.hpp"
#include "tests/support/sshd.hpp"

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>
#include <future>
#include <map>
#include <memory>

namespace muster::test {

namespace {

/// An instance whose sshd forwards sockets, and the connection to it.
class instance {
public:
  instance() {
    auto sink = std::make_shared<first_news>();
    auto news = sink->news.get_future();
    wire_->connect(id, host_.target(), patience, sink);
    REQUIRE_EQ(news.get(), "");
  }

  ~instance() {
    bridges_.clear();
    std::filesystem::remove_all(folder_);
  }

  instance(const instance&) = delete;
  instance& operator=(const instance&) = delete;

  std::string way_to(const std::string& socket) {
    auto& bridge = bridges_[socket];
    if (!bridge) {
      auto here = folder_ / (std::to_string(bridges_.size()) + ".sock");
      auto made = local::engine_bridge::make({loop_, wire_, here.string(),
                                              "unix://" + socket,
                                              [this] { return ++streams_; }});
      REQUIRE(made);
      bridge = std::move(*made);
      bridge->use(id);
    }
    return "unix://" + bridge->socket_path();
  }

private:
  static constexpr connection_id id = 1;
  static constexpr std::chrono::seconds patience{60};

  /// Whether the connection was made: an empty text, or why not.
  struct first_news : connection_sink {
    std::promise<std::string> news;
    bool told = false;

    void tell(const std::string& text) {
      if (!std::exchange(told, true))
        news.set_value(text);
    }

    void connected(const std::string&) override {
      tell("");
    }

    void failed(const connection_failure& why) override {
      tell(why.text);
    }

    void lost(const connection_failure& why) override {
      tell(why.text);
    }
  };

  sshd host_;
  std::filesystem::path folder_ = make_temp_folder("muster-engines");
  std::shared_ptr<ssh_transport> wire_ = std::make_shared<ssh_transport>();
  std::shared_ptr<local::socket_loop> loop_
    = std::make_shared<local::socket_loop>();
  std::atomic<stream_id> streams_ = 0;
  std::map<std::string, std::unique_ptr<local::engine_bridge>> bridges_;
};

} // namespace

bool is_engine_far() {
  const auto* where = std::getenv("MUSTER_TEST_ENGINE");
  return where != nullptr && std::string{where} == "far";
}

std::string way_to_engine(const std::string& socket) {
  if (!is_engine_far())
    return "unix://" + socket;
  static instance there;
  return there.way_to(socket);
}

} // namespace muster::test
