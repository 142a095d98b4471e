// Everything that capture needs: the containers of the history in a Cosmos DB account, an identity with the roles that it needs and no
// others, and a host: a function app (Flex Consumption or Premium), or a container app. docs/how-to/deploy.md explains the parameters.
targetScope = 'subscription'

@description('Names the resource group and everything in it; azd sets it.')
@minLength(1)
@maxLength(40)
param environmentName string

@description('Region of the resources, and of a new Cosmos DB account.')
param location string

@description('Where changes are captured: a function app in the plan Flex Consumption or Premium, or a container app.')
@allowed(['flex', 'premium', 'containerApp'])
param hosting string = 'flex'

@description('An existing account for NoSQL. Empty: a new serverless account with continuous backup.')
param cosmosAccountName string = ''

@description('Resource group of the existing account. Empty: the new resource group.')
param cosmosResourceGroup string = ''

@description('Database of all containers; created if it does not exist.')
param databaseName string = 'dev'

@description('Container whose documents are captured.')
param monitoredContainer string = 'events'

@description('Names of the sources that the app captures: ["default","orders"]. The default source is monitoredContainer. Another one is the container of its name, unless settings has CHANGEFEED_<source>__monitored.')
param sources array = ['default']

@description('Paths of the partition key of the monitored containers, if they are to be created. Empty: they exist. A new account has none yet.')
param monitoredKeyPaths array = empty(cosmosAccountName) ? ['/pk'] : []

@description('Paths of captured documents that the changes containers index, for searches: /document/"city_name"/?. Paths that are left out are removed.')
param indexedPaths array = []

@description('Largest autoscale throughput of each changes container, in RU/s. 0: serverless, or shared throughput of the database.')
param changesMaxThroughput int = 0

@description('Change feed mode. AllVersionsAndDeletes needs continuous backup and the feature of the account. Change it with `changefeed switch-mode`. Empty: AllVersionsAndDeletes in a new account, else LatestVersion.')
@allowed(['', 'LatestVersion', 'AllVersionsAndDeletes'])
param captureMode string = ''

@description('Other settings of the app, by name: {"CHANGEFEED_RETENTION_DAYS": "90"}')
param settings object = {}

@description('Image for a container app, built from the Dockerfile of this repository.')
param containerImage string = ''

@description('Name of the container registry of the image, in the resource group of the app. Empty: the image is public.')
param containerRegistry string = ''

@description('Receives the alerts. Empty: no alerts are created.')
param alertEmail string = ''

var isNewAccount = empty(cosmosAccountName)
var mode = !empty(captureMode) ? captureMode : isNewAccount ? 'AllVersionsAndDeletes' : 'LatestVersion'
var suffix = uniqueString(subscription().id, environmentName, location)
var accountName = isNewAccount ? 'cosmos-${suffix}' : cosmosAccountName
var accountGroup = isNewAccount || empty(cosmosResourceGroup) ? group.name : cosmosResourceGroup
var tags = { 'azd-env-name': environmentName }
var monitoredOf = reduce(sources, { default: monitoredContainer }, (all, source) => source == 'default' ? all : union(all, {
  '${source}': contains(settings, 'CHANGEFEED_${source}__monitored') ? settings['CHANGEFEED_${source}__monitored'] : source
}))
var changesOf = reduce(sources, { default: settings.?CHANGEFEED_CHANGES_CONTAINER ?? 'changes' }, (all, source) => source == 'default' ? all : union(all, {
  '${source}': contains(settings, 'CHANGEFEED_${source}__changes') ? settings['CHANGEFEED_${source}__changes'] : '${monitoredOf[source]}-changes'
}))
var captured = {
  monitored: map(sources, source => (monitoredOf[source]))
  changes: map(sources, source => (changesOf[source]))
}
// The two triggers of each source; those of the default source are in every package.
var triggers = reduce(sources, {
  'AzureWebJobs.CosmosChangeFeed.Disabled': 'true'
  'AzureWebJobs.CosmosChangeFeedAllVersions.Disabled': 'true'
}, (all, source) => union(all, {
  'AzureWebJobs.CosmosChangeFeed${source == 'default' ? '' : '_${source}'}.Disabled': string(mode != 'LatestVersion')
  'AzureWebJobs.CosmosChangeFeedAllVersions${source == 'default' ? '' : '_${source}'}.Disabled': string(mode == 'LatestVersion')
}))
var containers = {
  leases: settings.?CHANGEFEED_LEASES_CONTAINER ?? 'leases'
  jobs: settings.?CHANGEFEED_JOBS_CONTAINER ?? 'jobs'
  deadLetters: settings.?CHANGEFEED_DEAD_LETTERS_CONTAINER ?? 'dead-letters'
}
var appSettings = union({
  CHANGEFEED_TRYOUT_FUNCTIONS: 'off'
  RUST_LOG: 'info'
// The identity of the app cannot read the throughput, of which jobs use half.
}, changesMaxThroughput == 0 ? {} : { CHANGEFEED_JOB_BUDGET: string(changesMaxThroughput / 2) }, join(sources, ',') == 'default' ? {} : { CHANGEFEED_SOURCES: join(sources, ',') }, settings, {
  CHANGEFEED_DATABASE: databaseName
  CHANGEFEED_MONITORED_CONTAINER: monitoredContainer
  CHANGEFEED_CHANGES_CONTAINER: changesOf.default
  CHANGEFEED_LEASES_CONTAINER: containers.leases
  CHANGEFEED_JOBS_CONTAINER: containers.jobs
  CHANGEFEED_DEAD_LETTERS_CONTAINER: containers.deadLetters
  CHANGEFEED_MODE: mode
}, triggers)

resource group 'Microsoft.Resources/resourceGroups@2024-03-01' = {
  name: 'rg-${environmentName}'
  location: location
  tags: tags
}

module identity 'modules/identity.bicep' = {
  scope: group
  name: 'identity'
  params: {
    name: 'id-${suffix}'
    location: location
    tags: tags
  }
}

module account 'modules/account.bicep' = if (isNewAccount) {
  scope: group
  name: 'account'
  params: {
    name: accountName
    location: location
    tags: tags
  }
}

module history 'modules/history.bicep' = {
  scope: resourceGroup(accountGroup)
  name: 'history-${suffix}'
  params: {
    accountName: accountName
    databaseName: databaseName
    captured: captured
    containers: containers
    monitoredKeyPaths: monitoredKeyPaths
    indexedPaths: indexedPaths
    changesMaxThroughput: changesMaxThroughput
    principalId: identity.outputs.principalId
  }
  dependsOn: [account]
}

module monitoring 'modules/monitoring.bicep' = {
  scope: group
  name: 'monitoring'
  params: {
    suffix: suffix
    location: location
    tags: tags
    principalId: identity.outputs.principalId
  }
}

module storage 'modules/storage.bicep' = {
  scope: group
  name: 'storage'
  params: {
    name: 'st${suffix}'
    location: location
    tags: tags
    principalId: identity.outputs.principalId
  }
}

module flex 'modules/flex.bicep' = if (hosting == 'flex') {
  scope: group
  name: 'flex'
  params: {
    suffix: suffix
    location: location
    tags: tags
    identityName: identity.outputs.name
    storageName: storage.outputs.name
    insightsName: monitoring.outputs.insightsName
    accountEndpoint: history.outputs.endpoint
    settings: appSettings
  }
}

module premium 'modules/premium.bicep' = if (hosting == 'premium') {
  scope: group
  name: 'premium'
  params: {
    suffix: suffix
    location: location
    tags: tags
    identityName: identity.outputs.name
    storageName: storage.outputs.name
    insightsName: monitoring.outputs.insightsName
    accountEndpoint: history.outputs.endpoint
    settings: appSettings
  }
}

module containerApp 'modules/container-app.bicep' = if (hosting == 'containerApp') {
  scope: group
  name: 'container-app'
  params: {
    suffix: suffix
    location: location
    tags: tags
    identityName: identity.outputs.name
    identityClientId: identity.outputs.clientId
    workspaceName: monitoring.outputs.workspaceName
    accountEndpoint: history.outputs.endpoint
    image: containerImage
    registryName: containerRegistry
    settings: appSettings
  }
}

module alerts 'modules/alerts.bicep' = if (!empty(alertEmail)) {
  scope: group
  name: 'alerts'
  params: {
    suffix: suffix
    location: location
    tags: tags
    hosting: hosting
    insightsName: monitoring.outputs.insightsName
    workspaceName: monitoring.outputs.workspaceName
    email: alertEmail
  }
}

// azd reads this one. The Azure CLI can change the case of a first letter, so the others begin with a small one.
output AZURE_RESOURCE_GROUP string = group.name
output app string = hosting == 'containerApp' ? 'ca-${suffix}' : 'func-${suffix}'
output storageAccount string = storage.outputs.name
output captureMode string = mode
output cosmosEndpoint string = history.outputs.endpoint
output backupLocation string = storage.outputs.backupLocation
output identityClientId string = identity.outputs.clientId
