#include "executors/docker/engine.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace {

using namespace muster;
using namespace muster::docker;

/// Says what the fuzzer wants, in pieces, whatever it is asked.
class scripted_stream : public byte_stream {
public:
  scripted_stream(std::string_view bytes, size_t piece)
    : left_(bytes),
      piece_(piece) {
  }

  engine_result<size_t> read(char* to, size_t size, deadline) override {
    auto n = std::min({size, piece_, left_.size()});
    std::memcpy(to, left_.data(), n);
    left_.remove_prefix(n);
    return n;
  }

  engine_result<void> write(std::string_view, deadline) override {
    return {};
  }

  void end_writing() override {
  }

  void shut_down() override {
  }

private:
  std::string_view left_;
  size_t piece_;
};

struct scripted_dialer : dialer {
  std::string_view bytes;
  size_t piece = 1;

  engine_result<std::unique_ptr<byte_stream>> dial() override {
    return std::make_unique<scripted_stream>(bytes, piece);
  }
};

} // namespace

/// Reads foreign bytes as each kind of an Engine's answers; the first byte
/// chooses the size of their pieces.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1)
    return 0;
  auto from = std::make_shared<scripted_dialer>();
  from->bytes = {reinterpret_cast<const char*>(data) + 1, size - 1};
  from->piece = data[0] * 16u + 1;
  size_t seen = 0;
  auto count = [&seen](demultiplexer::origin, std::string_view bytes) {
    seen += bytes.size();
  };
  engine at{from, "1.41", true};
  engine met{from, "", true};
  [[maybe_unused]] auto version = met.negotiate();
  [[maybe_unused]] auto answer = at.ask({"GET", "/x"});
  [[maybe_unused]] auto lines
    = at.ask_lines({"GET", "/x"}, [&seen](std::string_view line) {
        seen += line.size();
        return true;
      });
  [[maybe_unused]] auto log = at.read_log({"GET", "/x"}, count);
  if (auto stream = at.attach({"POST", "/x"})) [[maybe_unused]]
    auto read = stream->read_all(count);
  return 0;
}
