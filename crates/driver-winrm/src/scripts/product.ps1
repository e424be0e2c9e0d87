# Finds a cmdlet of the product: by its name where modules load by themselves, otherwise in the module that the
# product's set-up leaves under Common Files.
function Find-ProductCommand($names) {
    foreach ($name in $names) {
        $command = Get-Command $name -ErrorAction SilentlyContinue
        if ($command) { return $command }
    }
    $folders = "$env:CommonProgramFiles\Microsoft Lync Server 2013\Modules\Lync",
        "$env:CommonProgramFiles\Skype for Business Server *\Modules\SkypeForBusiness"
    foreach ($file in @(Get-ChildItem -Path ($folders | ForEach-Object { "$_\*.psd1" }) -ErrorAction SilentlyContinue)) {
        try { Import-Module -Name $file.FullName -DisableNameChecking } catch {
            throw "the product's module $($file.FullName) cannot be loaded: $($_.Exception.Message)"
        }
        foreach ($name in $names) {
            $command = Get-Command $name -ErrorAction SilentlyContinue
            if ($command) { return $command }
        }
    }
    $looked = @($folders) + @("$env:PSModulePath" -split [IO.Path]::PathSeparator | Where-Object { $_ })
    throw "$($names -join ' and ') not found: the product's module is in none of $($looked -join '; ')"
}
