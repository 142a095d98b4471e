// Alerts on what the app logs. docs/operations.md says what to do about each.
param suffix string
param location string
param tags object
param hosting string
param insightsName string
param workspaceName string
param email string

var isContainerApp = hosting == 'containerApp'
var scopes = [isContainerApp ? workspace.id : insights.id]
// Rows with the time and the text of each line that the program logs.
var lines = isContainerApp ? 'ContainerAppConsoleLogs | project timestamp = TimeGenerated, message = Log' : 'traces | project timestamp, message'
// The texts are those of the program; a test compares them.
var rules = concat([
  {
    name: 'capture-fails'
    description: 'Batches could not be stored, and are delivered again.'
    severity: 1
    query: '${lines} | where message has "could not store batch"'
    threshold: 10
    operator: 'GreaterThan'
  }
  {
    name: 'lease-stalled'
    description: 'A lease makes no progress: its part of the container is not captured.'
    severity: 1
    query: '${lines} | where message matches regex "lease .* of (capture|jobs): .*, lag "'
    threshold: 3
    operator: 'GreaterThan'
  }
  {
    name: 'dead-letter'
    description: 'A document could not be captured and became a dead letter.'
    severity: 2
    query: '${lines} | where message has "cannot be stored as a version and becomes a dead letter"'
    threshold: 0
    operator: 'GreaterThan'
  }
  {
    name: 'retention-fails'
    description: 'Expired versions could not be removed.'
    severity: 3
    query: '${lines} | where message has "could not remove expired versions"'
    threshold: 2
    operator: 'GreaterThan'
  }
  {
    name: 'backup-overdue'
    description: 'A backup of the policy was due more than six hours ago, and has not succeeded.'
    severity: 2
    query: '${lines} | where message has "a backup of the policy is overdue since"'
    threshold: 0
    operator: 'GreaterThan'
  }
], isContainerApp ? [] : [
  {
    name: 'app-does-not-run'
    description: 'The timer function WatchLeases, which runs every minute, has not run.'
    severity: 0
    query: 'requests | where name == "WatchLeases" and success == true'
    threshold: 1
    operator: 'LessThan'
  }
])

resource workspace 'Microsoft.OperationalInsights/workspaces@2023-09-01' existing = {
  name: workspaceName
}

resource insights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: insightsName
}

resource receivers 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: 'ag-${suffix}'
  location: 'global'
  tags: tags
  properties: {
    enabled: true
    groupShortName: 'changefeed'
    emailReceivers: [
      {
        name: 'operators'
        emailAddress: email
        useCommonAlertSchema: true
      }
    ]
  }
}

resource alert 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [for rule in rules: {
  name: 'changefeed-${rule.name}-${suffix}'
  location: location
  tags: tags
  properties: {
    displayName: 'changefeed: ${rule.name}'
    description: rule.description
    severity: rule.severity
    enabled: true
    scopes: scopes
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    // A table exists only after the first row.
    skipQueryValidation: true
    autoMitigate: true
    criteria: {
      allOf: [
        {
          query: rule.query
          timeAggregation: 'Count'
          operator: rule.operator
          threshold: rule.threshold
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    actions: {
      actionGroups: [receivers.id]
    }
  }
}]
