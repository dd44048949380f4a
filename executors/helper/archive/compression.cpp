#include "executors/helper/archive/compression.hpp"

#include <array>
#include <utility>
#include <vector>
#include <zlib.h>
#include <zstd.h>

namespace muster::helper {

namespace {

constexpr std::array<std::string_view, 5> level_names{
  "fastest", "fast", "default", "slow", "slowest"};

tl::unexpected<failure<helper_errc>> no_memory() {
  return fail(helper_errc::failed, "there is not enough memory to compress");
}

Bytef* bytes_of(std::string_view from) {
  return reinterpret_cast<Bytef*>(const_cast<char*>(from.data()));
}

/// Runs `deflate` until it has taken all input, or with Z_FINISH until its end.
outcome pump(z_stream& stream, std::string_view in, int flush, byte_sink& to) {
  std::array<char, 32768> out{};
  stream.next_in = bytes_of(in);
  stream.avail_in = static_cast<uInt>(in.size());
  int state = Z_OK;
  do {
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = out.size();
    state = ::deflate(&stream, flush);
    if (auto n = out.size() - stream.avail_out; n > 0)
      if (auto written = to.write({out.data(), n}); !written)
        return written;
  } while (flush == Z_FINISH ? state != Z_STREAM_END : stream.avail_out == 0);
  return {};
}

class deflater : public compressor {
public:
  ~deflater() override {
    if (ready_)
      ::deflateEnd(&stream_);
  }

  bool start(int level) {
    ready_ = ::deflateInit2(&stream_, level, Z_DEFLATED, -MAX_WBITS, 8,
                            Z_DEFAULT_STRATEGY)
             == Z_OK;
    return ready_;
  }

  outcome write(std::string_view bytes, byte_sink& to) override {
    return pump(stream_, bytes, Z_NO_FLUSH, to);
  }

  outcome finish(byte_sink& to) override {
    auto done = pump(stream_, {}, Z_FINISH, to);
    ::deflateReset(&stream_);
    return done;
  }

private:
  z_stream stream_{};
  bool ready_ = false;
};

class zstd_compressor : public compressor {
public:
  ~zstd_compressor() override {
    ZSTD_freeCCtx(context_);
  }

  bool start(int level) {
    context_ = ZSTD_createCCtx();
    return context_ != nullptr
           && ZSTD_isError(ZSTD_CCtx_setParameter(
                context_, ZSTD_c_compressionLevel, level))
                == 0;
  }

  outcome write(std::string_view bytes, byte_sink& to) override {
    return pump(bytes, ZSTD_e_continue, to);
  }

  outcome finish(byte_sink& to) override {
    return pump({}, ZSTD_e_end, to);
  }

private:
  outcome pump(std::string_view bytes, ZSTD_EndDirective how, byte_sink& to) {
    ZSTD_inBuffer in{bytes.data(), bytes.size(), 0};
    size_t left = 0;
    do {
      ZSTD_outBuffer out{out_.data(), out_.size(), 0};
      left = ZSTD_compressStream2(context_, &out, &in, how);
      if (ZSTD_isError(left) != 0)
        return fail(helper_errc::failed, std::string{"zstd cannot compress: "}
                                           + ZSTD_getErrorName(left));
      if (out.pos > 0)
        if (auto written = to.write({out_.data(), out.pos}); !written)
          return written;
    } while (how == ZSTD_e_end ? left != 0 : in.pos < in.size);
    return {};
  }

  ZSTD_CCtx* context_ = nullptr;
  std::vector<char> out_ = std::vector<char>(piece_bytes);
};

class inflater : public decompressor {
public:
  ~inflater() override {
    if (ready_)
      ::inflateEnd(&stream_);
  }

  bool start(int window_bits) {
    ready_ = ::inflateInit2(&stream_, window_bits) == Z_OK;
    return ready_;
  }

  result<step, helper_errc> run(std::string_view in, char* out,
                                size_t size) override {
    if (std::exchange(ended_, false))
      ::inflateReset(&stream_);
    stream_.next_in = bytes_of(in);
    stream_.avail_in = static_cast<uInt>(in.size());
    stream_.next_out = reinterpret_cast<Bytef*>(out);
    stream_.avail_out = static_cast<uInt>(size);
    auto state = ::inflate(&stream_, Z_NO_FLUSH);
    if (state != Z_OK && state != Z_STREAM_END && state != Z_BUF_ERROR)
      return fail(helper_errc::failed, "the compressed data is damaged");
    ended_ = state == Z_STREAM_END;
    return step{in.size() - stream_.avail_in, size - stream_.avail_out, ended_};
  }

private:
  z_stream stream_{};
  bool ready_ = false;
  bool ended_ = false;
};

class zstd_decompressor : public decompressor {
public:
  ~zstd_decompressor() override {
    ZSTD_freeDCtx(context_);
  }

  bool start() {
    context_ = ZSTD_createDCtx();
    return context_ != nullptr;
  }

  result<step, helper_errc> run(std::string_view from, char* to,
                                size_t size) override {
    ZSTD_inBuffer in{from.data(), from.size(), 0};
    ZSTD_outBuffer out{to, size, 0};
    auto left = ZSTD_decompressStream(context_, &out, &in);
    if (ZSTD_isError(left) != 0)
      return fail(helper_errc::failed,
                  std::string{"the compressed data is damaged: "}
                    + ZSTD_getErrorName(left));
    return step{in.pos, out.pos, left == 0};
  }

private:
  ZSTD_DCtx* context_ = nullptr;
};

template <class Base, class Made, class... Arguments>
result<std::unique_ptr<Base>, helper_errc> make(Arguments... arguments) {
  auto made = std::make_unique<Made>();
  if (!made->start(arguments...))
    return no_memory();
  return made;
}

/// The state of `decompressed`.
struct unpacking {
  byte_source from;
  std::unique_ptr<decompressor> by;
  bool concatenated = false;
  std::vector<char> buffer = std::vector<char>(piece_bytes);
  std::string_view rest;
  bool at_end = false;  ///< of `from`
  bool between = false; ///< a stream has ended and none has begun since

  result<size_t, helper_errc> read(char* out, size_t size) {
    while (size > 0 && !(between && !concatenated)) {
      if (rest.empty() && !at_end) {
        auto n = from(buffer.data(), buffer.size());
        if (!n)
          return n;
        rest = {buffer.data(), *n};
        at_end = *n == 0;
      }
      if (at_end && between)
        break;
      auto done = by->run(rest, out, size);
      if (!done)
        return tl::unexpected{done.error()};
      rest.remove_prefix(done->taken);
      between = done->ended;
      if (done->given > 0)
        return done->given;
      if (at_end && !between)
        return fail(helper_errc::failed, "the compressed data is cut off");
    }
    return size_t{0};
  }
};

} // namespace

std::optional<compression_level> level_of(std::string_view name) {
  if (name.empty())
    return compression_level::normal;
  for (size_t i = 0; i < level_names.size(); ++i)
    if (name == level_names[i])
      return static_cast<compression_level>(i);
  return std::nullopt;
}

int deflate_level(compression_level level) {
  constexpr std::array levels{0, 1, 5, 7, 9};
  return levels[static_cast<size_t>(level)];
}

int zstd_level(compression_level level) {
  constexpr std::array levels{1, 2, 3, 7, 11};
  return levels[static_cast<size_t>(level)];
}

result<std::unique_ptr<compressor>, helper_errc>
make_deflater(compression_level level) {
  return make<compressor, deflater>(deflate_level(level));
}

result<std::unique_ptr<compressor>, helper_errc>
make_zstd_compressor(compression_level level) {
  return make<compressor, zstd_compressor>(zstd_level(level));
}

outcome write_gzip_member(const gzip_header& header, compression_level level,
                          const byte_source& content, byte_sink& to) {
  z_stream stream{};
  if (::deflateInit2(&stream, deflate_level(level), Z_DEFLATED, MAX_WBITS + 16,
                     8, Z_DEFAULT_STRATEGY)
      != Z_OK)
    return no_memory();
  std::unique_ptr<z_stream, int (*)(z_streamp)> guard{&stream, ::deflateEnd};
  auto name = header.name;
  auto comment = header.comment;
  gz_header facts{};
  facts.time = static_cast<uLong>(header.modified_s);
  facts.os = 3; // Unix
  facts.name = reinterpret_cast<Bytef*>(name.data());
  facts.comment = reinterpret_cast<Bytef*>(comment.data());
  ::deflateSetHeader(&stream, &facts);
  std::vector<char> buffer(piece_bytes);
  for (;;) {
    auto n = content(buffer.data(), buffer.size());
    if (!n)
      return tl::unexpected{n.error()};
    if (*n == 0)
      return pump(stream, {}, Z_FINISH, to);
    if (auto done = pump(stream, {buffer.data(), *n}, Z_NO_FLUSH, to); !done)
      return done;
  }
}

result<std::unique_ptr<decompressor>, helper_errc> make_inflater() {
  return make<decompressor, inflater>(-MAX_WBITS);
}

result<std::unique_ptr<decompressor>, helper_errc> make_gunzip() {
  return make<decompressor, inflater>(MAX_WBITS + 16);
}

result<std::unique_ptr<decompressor>, helper_errc> make_zstd_decompressor() {
  return make<decompressor, zstd_decompressor>();
}

byte_source decompressed(byte_source from, std::unique_ptr<decompressor> by,
                         bool concatenated) {
  auto state = std::make_shared<unpacking>();
  state->from = std::move(from);
  state->by = std::move(by);
  state->concatenated = concatenated;
  return [state](char* out, size_t size) { return state->read(out, size); };
}

} // namespace muster::helper
