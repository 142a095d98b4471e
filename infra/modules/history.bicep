// The database and the containers in an account, and the data-plane roles of the app's identity.
param accountName string
param databaseName string
@description('The names of the monitored containers, and of those of their versions.')
param captured object
@description('The names of the containers that the sources share, by their roles.')
param containers object
@description('Empty: the monitored containers exist.')
param monitoredKeyPaths array
@description('Paths of captured documents that the changes containers index besides those of their own queries.')
param indexedPaths array
@description('0: serverless, or shared throughput of the database.')
param changesMaxThroughput int
param principalId string

// Keys and index policies as `changefeed provision` creates them. A test compares the file with the program.
var definitions = loadJsonContent('../containers.json')
// Cosmos DB Built-in Data Contributor: reads and writes items, runs queries, reads change feeds.
var dataContributor = '${account.id}/sqlRoleDefinitions/00000000-0000-0000-0000-000000000002'
var changesIndex = union(definitions.changes.indexingPolicy, {
  includedPaths: concat(definitions.changes.indexingPolicy.includedPaths, map(indexedPaths, path => { path: path }))
})

resource account 'Microsoft.DocumentDB/databaseAccounts@2025-04-15' existing = {
  name: accountName
}

resource database 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases@2025-04-15' = {
  parent: account
  name: databaseName
  properties: {
    resource: {
      id: databaseName
    }
  }
}

resource monitored 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers@2025-04-15' = [for name in captured.monitored: if (!empty(monitoredKeyPaths)) {
  parent: database
  name: name
  properties: {
    resource: {
      id: name
      partitionKey: {
        paths: monitoredKeyPaths
        kind: length(monitoredKeyPaths) > 1 ? 'MultiHash' : 'Hash'
        version: 2
      }
      defaultTtl: -1
    }
  }
}]

resource changes 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers@2025-04-15' = [for name in captured.changes: {
  parent: database
  name: name
  properties: {
    resource: {
      id: name
      partitionKey: definitions.changes.partitionKey
      defaultTtl: definitions.changes.defaultTtl
      indexingPolicy: changesIndex
    }
    options: changesMaxThroughput == 0 ? {} : {
      autoscaleSettings: {
        maxThroughput: changesMaxThroughput
      }
    }
  }
}]

resource others 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers@2025-04-15' = [for role in ['leases', 'jobs', 'deadLetters']: {
  parent: database
  name: containers[role]
  properties: {
    resource: union({ id: containers[role] }, definitions[role])
  }
}]

// The trigger reads the resource id of the database, which a role on a container does not allow.
resource metadataReader 'Microsoft.DocumentDB/databaseAccounts/sqlRoleDefinitions@2025-04-15' = {
  parent: account
  name: guid(account.id, databaseName, 'changefeed metadata reader')
  properties: {
    roleName: 'changefeed metadata reader of ${databaseName}'
    type: 'CustomRole'
    assignableScopes: [
      '${account.id}/dbs/${databaseName}'
    ]
    permissions: [
      {
        dataActions: [
          'Microsoft.DocumentDB/databaseAccounts/readMetadata'
        ]
      }
    ]
  }
  dependsOn: [database]
}

resource readsMetadata 'Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments@2025-04-15' = {
  parent: account
  name: guid(account.id, databaseName, principalId, 'metadata')
  properties: {
    principalId: principalId
    roleDefinitionId: metadataReader.id
    scope: '${account.id}/dbs/${databaseName}'
  }
}

// On these containers, and not on others of the database. Restores write the monitored ones. An account accepts one change of its
// roles at a time.
@batchSize(1)
resource usesContainer 'Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments@2025-04-15' = [for name in concat(captured.monitored, captured.changes, map(items(containers), role => role.value)): {
  parent: account
  name: guid(account.id, databaseName, name, principalId)
  properties: {
    principalId: principalId
    roleDefinitionId: dataContributor
    scope: '${account.id}/dbs/${databaseName}/colls/${name}'
  }
  dependsOn: [monitored, changes, others, readsMetadata]
}]

output endpoint string = account.properties.documentEndpoint
