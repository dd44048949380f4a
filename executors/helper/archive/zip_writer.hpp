#pragma once

#include "executors/helper/archive/writer.hpp"
#include "executors/helper/archive/zip_format.hpp"

#include <string>

namespace muster::helper {

/// Writes a zip: UTF-8 names, Unix modes, times (0x5455), owners (0x7875),
/// links as their target; sizes behind the data, and zip64 where it takes that.
class zip_writer : public archive_writer {
public:
  zip_writer(zip::method method, std::unique_ptr<compressor> by, byte_sink& to);

  outcome add(const archive_entry& what, const byte_source& content) override;
  outcome finish() override;

private:
  struct record {
    std::string name;
    std::string extra;
    uint32_t attributes = 0;
    zip::method method = zip::method::stored;
    bool descriptor = false;
    bool large = false; ///< may need sizes of 64 bits
    uint32_t when = 0;  ///< as MS-DOS has it
    uint32_t crc = 0;
    uint64_t packed_bytes = 0;
    uint64_t plain_bytes = 0;
    uint64_t offset = 0;
  };

  outcome put(std::string_view bytes);
  outcome put_local(const record& of);
  outcome put_content(record& of, const archive_entry& what,
                      const byte_source& content);
  outcome put_descriptor(const record& of);
  void note(const record& of);

  zip::method method_;
  std::unique_ptr<compressor> by_;
  byte_sink& to_;
  uint64_t offset_ = 0;
  uint64_t entries_ = 0;
  std::string central_; ///< the directory that ends the file
};

} // namespace muster::helper
