@echo off
rem portreeve evidence collector, for Windows Server 2016 to 2025. Run it elevated:
rem
rem     collector.cmd [new folder]
rem
rem It only reads. It writes one new folder, and a zip of it beside it, and nothing else: no install, no download, no
rem change of any setting. Values of passwords and keys in configuration files are replaced by 'redacted' before they are
rem written. For each command the manifest says what was run, how it ended, and what its file must be.

rem A 32-bit agent is led to the 64-bit commands.
if exist "%windir%\Sysnative\cmd.exe" (
    "%windir%\Sysnative\cmd.exe" /d /c ""%~f0" %*"
    exit /b
)
setlocal EnableExtensions DisableDelayedExpansion
set "OUT=%~1"
if not defined OUT set "OUT=%TEMP%\portreeve-evidence-%COMPUTERNAME%"
if exist "%OUT%" (
    echo "%OUT%" exists already. Name a new folder: %~nx0 FOLDER
    exit /b 2
)
mkdir "%OUT%"
if not exist "%OUT%\" exit /b 2
pushd "%OUT%"
if errorlevel 1 exit /b 2
set "BUNDLE=%CD%"
set /a COUNT=0
set "PS=powershell.exe -NoLogo -NoProfile -NonInteractive -Command"
set "UTF8=[Console]::OutputEncoding = [Text.Encoding]::UTF8;"
set "HIDE=-replace '(?is)((?:password|sessionKey|validationKey|decryptionKey|connectionString)\s*=\s*)\x22.*?\x22','$1''redacted''' -replace '(?is)((?:key|name)\s*=\s*\x22[\w.:-]*(?:password|secret|token|apikey|license)[\w.:-]*\x22\s+value\s*=\s*)\x22.*?\x22','$1''redacted''' -replace '(?is)\[enc:.+?:enc\]','redacted'"

>manifest.txt echo portreeve-evidence;1
>>manifest.txt echo fact;computer;%COMPUTERNAME%
>>manifest.txt echo fact;architecture;%PROCESSOR_ARCHITECTURE%
>>manifest.txt echo fact;wow64;%PROCESSOR_ARCHITEW6432%
for /f "delims=" %%V in ('ver') do >>manifest.txt echo fact;version;%%V

rem --- the host itself: clock, boot, build, domain, networks; and whether this runs elevated
set RUN=%PS% "$o = Get-CimInstance Win32_OperatingSystem; $c = Get-CimInstance Win32_ComputerSystem; $n = (Get-NetConnectionProfile | ForEach-Object { $_.NetworkCategory }) -join ','; 'utc=' + [DateTime]::UtcNow.ToString('s') + 'Z'; 'boot=' + $o.LastBootUpTime.ToUniversalTime().ToString('s') + 'Z'; 'build=' + $o.BuildNumber; 'caption=' + $o.Caption; 'part_of_domain=' + $c.PartOfDomain; 'domain=' + $c.Domain; 'role=' + $c.DomainRole; 'network=' + $n; 'complete=yes'"
call :print system system.txt
set RUN=whoami.exe /groups /fo csv /nh
call :print whoami whoami.txt

rem --- policies of the computer; a listing of a parent proves what is not there
set RUN=reg.exe query "HKLM\SYSTEM\CurrentControlSet\Control\Lsa" /reg:64
call :print lsa lsa.txt
set RUN=reg.exe query "HKLM\SOFTWARE\Policies\Microsoft" /reg:64
call :print policies-microsoft policies-microsoft.txt
set RUN=reg.exe export "HKLM\SOFTWARE\Policies\Microsoft\Windows" policies-windows.reg /y /reg:64
call :write policies-windows policies-windows.reg
set RUN=reg.exe export "HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Policies" policies-explorer.reg /y /reg:64
call :write policies-explorer policies-explorer.reg
set RUN=reg.exe export "HKLM\SYSTEM\CurrentControlSet\Control\SecurityProviders\SCHANNEL" schannel.reg /y /reg:64
call :write schannel schannel.reg
set RUN=reg.exe query "HKLM\SYSTEM\CurrentControlSet\Services\HTTP\Parameters" /reg:64
call :print http http.txt
set RUN=secedit.exe /export /cfg secedit-local.inf /areas SECURITYPOLICY USER_RIGHTS /log secedit.log /quiet
call :write secedit-local secedit-local.inf
set RUN=secedit.exe /export /mergedpolicy /cfg secedit-merged.inf /areas SECURITYPOLICY USER_RIGHTS /log secedit.log /quiet
call :write secedit-merged secedit-merged.inf

rem --- policies of every user whose hive is loaded, and the list of all profiles
set RUN=reg.exe query HKU
call :print hku hku.txt
set RUN=reg.exe query "HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\ProfileList" /reg:64
call :print profiles profiles.txt
for /f "tokens=2 delims=\" %%S in ('reg.exe query HKU') do call :user "%%S"

rem --- services and what listens
set RUN=reg.exe query "HKLM\SYSTEM\CurrentControlSet\Services" /reg:64
call :print services services.txt
set RUN=reg.exe query "HKLM\SYSTEM\CurrentControlSet\Services\WMSVC" /reg:64
call :print wmsvc wmsvc.txt
set RUN=reg.exe query "HKLM\SYSTEM\CurrentControlSet\Services\W3SVC" /reg:64
call :print w3svc w3svc.txt
set RUN=reg.exe query "HKLM\SYSTEM\CurrentControlSet\Services" /s /v ObjectName /reg:64
call :print accounts accounts.txt
set RUN=sc.exe query type= service state= all bufsize= 250000
call :print sc sc.txt
set RUN=netstat.exe -ano
call :print netstat netstat.txt
set RUN=tasklist.exe /svc /fo csv /nh
call :print tasklist tasklist.txt
set RUN=netsh.exe http show sslcert
call :print sslcert sslcert.txt
set RUN=netsh.exe http show servicestate view=requestq
call :print requestq requestq.txt

rem --- the firewall: local rules and profiles, and those of Group Policy
set RUN=reg.exe export "HKLM\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy" firewall.reg /y /reg:64
call :write firewall firewall.reg
set RUN=reg.exe export "HKLM\SOFTWARE\Policies\Microsoft\WindowsFirewall" firewall-policy.reg /y /reg:64
call :write firewall-policy firewall-policy.reg

rem --- IIS: the server's configuration, and the web.config of each application's root and each virtual directory
set RUN=%PS% "%UTF8% (Get-Content -Raw -Encoding UTF8 ($env:windir + '\System32\inetsrv\config\applicationHost.config')) %HIDE%"
call :print iis applicationHost.xml
set RUN=%PS% "%UTF8% $x = [xml](Get-Content -Raw ($env:windir + '\System32\inetsrv\config\applicationHost.config')); foreach ($s in $x.configuration.'system.applicationHost'.sites.site) { foreach ($a in $s.application) { foreach ($v in $a.virtualDirectory) { $f = [Environment]::ExpandEnvironmentVariables($v.physicalPath); $w = $f + '\web.config'; '[application] ' + ($s.name + $a.path).TrimEnd('/') + $v.path; if (Test-Path -LiteralPath $w) { '[there]'; (Get-Content -Raw -LiteralPath $w -ErrorAction Stop) %HIDE% } elseif (Test-Path -LiteralPath $f) { '[none]' } else { '[unreachable]' } } } }; '[complete]'"
call :print web-configs web-configs.txt

rem --- the products: LTShare, MySQL (the options that its service names), ScreenConnect. No /c for icacls: what it may not read must end it with an error
set RUN=%PS% "%UTF8% Get-SmbShare -ErrorAction Stop | ForEach-Object { $_.Name + '|' + $_.Path + '|' + $_.SecurityDescriptor }; 'complete=yes'"
call :print shares shares.txt
set "LTSHARE=%SystemDrive%\LTShare"
for /f "tokens=1,2 delims=|" %%A in (shares.txt) do if /i "%%A"=="LTShare" set "LTSHARE=%%B"
set RUN=icacls.exe "%LTSHARE%" /save ltshare.acl
call :write ltshare ltshare.acl
set RUN=icacls.exe "%LTSHARE%\*" /save ltshare-beneath.acl
call :write ltshare-beneath ltshare-beneath.acl
set RUN=%PS% "%UTF8% $n = 0; $bad = 0; $known = @{}; '[folder] ' + $env:LTSHARE; Get-ChildItem -LiteralPath $env:LTSHARE -Recurse -Force -ErrorAction SilentlyContinue -ErrorVariable e | Select-Object -First 20001 | ForEach-Object { $n++; try { $a = (Get-Acl -LiteralPath $_.FullName -ErrorAction Stop).GetSecurityDescriptorSddlForm('Access'); if (-not $known[$a]) { $known[$a] = 1; $_.FullName.Substring($env:LTSHARE.Length) + '|' + $a } } catch { $bad++ } }; '[looked] ' + $n; '[unread] ' + ($bad + $e.Count); '[complete]'"
call :print ltshare-below ltshare-below.txt
set RUN=%PS% "%UTF8% Get-ChildItem HKLM:\SYSTEM\CurrentControlSet\Services | ForEach-Object { $i = [string]$_.GetValue('ImagePath'); if ($i -match 'mysqld|mariadbd') { '[service] ' + $_.PSChildName; '[image] ' + $i; if ($i -match '\x22--defaults.file=([^\x22]+)\x22|--defaults.file=(?:\x22([^\x22]+)\x22|(\S+))') { $f = $Matches[1] + $Matches[2] + $Matches[3]; '[file] ' + $f; if (Test-Path -LiteralPath $f) { '[there]'; Get-Content -LiteralPath $f -ErrorAction Stop | Where-Object { $_ -notmatch 'password' } | ForEach-Object { '|' + $_ } } else { '[none]' } } } }; '[complete]'"
call :print mysql mysql.txt
set RUN=%PS% "%UTF8% (Get-Content -Raw -ErrorAction Stop (${env:ProgramFiles(x86)} + '\ScreenConnect\web.config')) %HIDE%"
call :print screenconnect screenconnect.xml

>>manifest.txt echo done;%COUNT%
popd
%PS% "Compress-Archive -LiteralPath $env:BUNDLE -DestinationPath ($env:BUNDLE + '.zip')" 2>nul
if not exist "%BUNDLE%.zip" echo The folder could not be zipped; it is whole without that.
echo Done, %COUNT% commands. Give portreeve this folder, or the zip beside it: "%BUNDLE%"
exit /b 0

rem --- one user: the names of the subkeys of Software prove whether there are policies
:user
set "SID=%~1"
if not "%SID:_Classes=%"=="%SID%" exit /b
set RUN=reg.exe query "HKU\%~1\Software"
call :print user-%~1 user-%~1.txt
set RUN=reg.exe export "HKU\%~1\Software\Policies" user-policies-%~1.reg /y
call :write user-policies-%~1 user-policies-%~1.reg
exit /b

rem --- :print ID FILE: what %RUN% prints is the evidence
:print
set "BEGIN=%DATE% %TIME%"
%RUN% >"%~2" 2>>errors.log
set "CODE=%ERRORLEVEL%"
goto note

rem --- :write ID FILE: %RUN% writes the file itself
:write
set "BEGIN=%DATE% %TIME%"
%RUN% >>output.log 2>>errors.log
set "CODE=%ERRORLEVEL%"
goto note

rem --- one line of the manifest
:note
set "SIZE=-"
set "HASH="
if exist "%~2" for %%F in ("%~2") do set "SIZE=%%~zF"
if exist "%~2" for /f "skip=1 delims=" %%H in ('certutil.exe -hashfile "%~2" SHA256 2^>nul') do if not defined HASH set "HASH=%%H"
if not defined HASH set "HASH=-"
>>manifest.txt echo run;%~1;%CODE%;%BEGIN%;%DATE% %TIME%;%~2;%SIZE%;%HASH: =%;%RUN%
set /a COUNT+=1
exit /b
