// A new account for trying out and for new applications: serverless, continuous backup for 7 days, AllVersionsAndDeletes mode, no keys.
param name string
param location string
param tags object

// The stable versions of the API do not have the feature of AllVersionsAndDeletes mode yet.
resource account 'Microsoft.DocumentDB/databaseAccounts@2026-04-01-preview' = {
  name: name
  location: location
  tags: tags
  kind: 'GlobalDocumentDB'
  properties: {
    databaseAccountOfferType: 'Standard'
    capacityMode: 'Serverless'
    locations: [
      {
        locationName: location
        failoverPriority: 0
        isZoneRedundant: false
      }
    ]
    backupPolicy: {
      type: 'Continuous'
      continuousModeProperties: {
        tier: 'Continuous7Days'
      }
    }
    enableAllVersionsAndDeletesChangeFeed: true
    disableLocalAuth: true
    minimalTlsVersion: 'Tls12'
  }
}
