// What only Apple's systems have. Nobody has tried it.
import Foundation

/// A copy of the store on another device would be the same device twice.
func excludeFromBackup(_ folder: URL) {
    #if canImport(Darwin)
    var folder = folder
    var values = URLResourceValues()
    values.isExcludedFromBackup = true
    try? folder.setResourceValues(values) // a volume without backups knows no such value
    #endif
}

#if canImport(Security)
import Security

extension CredentialSource {
    /// The bucket's keys from the keychain, where ``Credentials/saveToKeychain(service:accessGroup:)`` put them.
    public static func keychain(service: String, accessGroup: String? = nil) -> CredentialSource {
        CredentialSource {
            var item: CFTypeRef?
            var query = keychainItem(service, accessGroup)
            query[kSecReturnData] = true
            let status = SecItemCopyMatching(query as CFDictionary, &item)
            guard status == errSecSuccess, let data = item as? Data,
                let words = try? JSONDecoder().decode([String].self, from: data), words.count >= 2
            else {
                throw TidelockError(
                    .auth, "the keychain gives no credentials (\(status))", nextStep: "save them by saveToKeychain")
            }
            return Credentials(accessKey: words[0], secretKey: words[1], sessionToken: words.count > 2 ? words[2] : nil)
        }
    }
}

extension Credentials {
    /// Puts them into the keychain of this device, in place of those of the same service. They are readable once the device was
    /// unlocked after it started, so that a background task can sync.
    public func saveToKeychain(service: String, accessGroup: String? = nil) throws {
        let item = keychainItem(service, accessGroup)
        var added = item
        added[kSecValueData] = try JSONEncoder().encode([accessKey, secretKey] + (sessionToken.map { [$0] } ?? []))
        added[kSecAttrAccessible] = kSecAttrAccessibleAfterFirstUnlockThisDeviceOnly
        SecItemDelete(item as CFDictionary)
        let status = SecItemAdd(added as CFDictionary, nil)
        guard status == errSecSuccess else {
            throw TidelockError(
                .localStore, "the keychain took no credentials (\(status))", nextStep: "check the access group")
        }
    }
}

private func keychainItem(_ service: String, _ accessGroup: String?) -> [CFString: Any] {
    var item: [CFString: Any] = [kSecClass: kSecClassGenericPassword, kSecAttrService: service]
    if let accessGroup { item[kSecAttrAccessGroup] = accessGroup }
    return item
}
#endif
