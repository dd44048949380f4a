#pragma once

#include "executors/helper/archive/writer.hpp"

#include <string>

namespace muster::helper {

/// Writes a compressed tar: ustar headers, with pax headers before them where
/// names or numbers do not fit.
class tar_writer : public archive_writer {
public:
  tar_writer(std::unique_ptr<compressor> by, byte_sink& to);

  outcome add(const archive_entry& what, const byte_source& content) override;
  outcome finish() override;

private:
  outcome put_header(const archive_entry& what, char type);
  outcome put_content(const archive_entry& what, const byte_source& content);
  outcome put_padded(std::string_view bytes);

  std::unique_ptr<compressor> by_;
  byte_sink& to_;
};

} // namespace muster::helper
