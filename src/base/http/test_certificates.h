// For tests: certificates made on the spot.
#pragma once

#include <string>

namespace gpunode::http {

struct IssuedCertificate {
  std::string certificate_pem;
  std::string key_pem;
};

/// An authority and what it signs.
class TestAuthority {
 public:
  explicit TestAuthority(const std::string& common_name);

  const std::string& pem() const { return own_.certificate_pem; }

  /// `names` as OpenSSL writes them: "DNS:a.example,IP:127.0.0.1". The times
  /// are seconds from now.
  IssuedCertificate issue(const std::string& names, long from = -3600,
                          long until = 3600,
                          const std::string& common_name = "issued") const;

 private:
  IssuedCertificate own_;
};

}  // namespace gpunode::http
